package server

import (
	"context"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// tree is an organization with one cloud, one folder and one program in it.
type tree struct {
	Organization, Cloud, Folder string // names
	Account                     string // name of the service account
}

// planted is what plant made.
type planted struct {
	OrganizationID   string `json:"organization_id"`
	CloudID          string `json:"cloud_id"`
	FolderID         string `json:"folder_id"`
	ServiceAccountID string `json:"service_account_id"`
}

// plant writes the rows of a new organization. Ids are made before, so that
// the transaction may run twice.
func plant(tx *store.Tx, t tree, p planted) error {
	now := tx.Now()
	if err := store.InsertOrganization(tx, &iam.Organization{ID: p.OrganizationID, Name: t.Organization, Title: t.Organization, CreatedAt: now}); err != nil {
		return err
	}
	if err := store.InsertCloud(tx, &iam.Cloud{ID: p.CloudID, OrganizationID: p.OrganizationID, Name: t.Cloud, CreatedAt: now}); err != nil {
		return err
	}
	if err := store.InsertFolder(tx, &iam.Folder{ID: p.FolderID, CloudID: p.CloudID, Name: t.Folder, Status: iam.FolderActive, CreatedAt: now}); err != nil {
		return err
	}
	return plantAccount(tx, p.ServiceAccountID, p.FolderID, t.Account)
}

func plantAccount(tx *store.Tx, id, folderID, name string) error {
	return store.InsertServiceAccount(tx, &iam.ServiceAccount{
		ID: id, FolderID: folderID, Name: name, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
}

func newPlanted() planted {
	return planted{
		OrganizationID: resource.NewIDFor(resource.Organization), CloudID: resource.NewIDFor(resource.Cloud),
		FolderID: resource.NewIDFor(resource.Folder), ServiceAccountID: resource.NewIDFor(resource.ServiceAccount),
	}
}

// givenRole is one binding to plant.
type givenRole struct {
	resourceID string
	role       iam.RoleID
	subject    iam.Subject
}

func grantAll(tx *store.Tx, grants ...givenRole) error {
	for _, g := range grants {
		if _, err := store.AddBinding(tx, g.resourceID, iam.AccessBinding{Role: g.role, Subject: g.subject}); err != nil {
			return fmt.Errorf("grant %s: %w", g.role, err)
		}
	}
	return nil
}

func accountSubject(id string) iam.Subject {
	return iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}
}

func userSubject(id string) iam.Subject {
	return iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}
}

// newKey makes an authorized key of an account: the row and the file.
func newKey(accountID, description string, now time.Time) (*iam.Key, *keyfile.File, error) {
	private, err := keyfile.Generate(iam.RSA2048)
	if err != nil {
		return nil, nil, err
	}
	public, err := keyfile.PublicKeyText(&private.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	k := &iam.Key{
		ID: resource.NewID(resource.PrefixIAM), ServiceAccountID: accountID, Description: description,
		Algorithm: iam.RSA2048, PublicKey: public, CreatedAt: now.UTC().Truncate(time.Microsecond),
	}
	f, err := keyfile.New(*k, private)
	return k, f, err
}

// BootstrapRequest asks for a new organization with an owner.
type BootstrapRequest struct {
	Organization string `json:"organization"` // name
	Cloud        string `json:"cloud"`
	Folder       string `json:"folder"`
	Account      string `json:"account"` // name of the owner, a service account
}

// BootstrapResult is what was made. KeyFile is the owner's key, shown once.
type BootstrapResult struct {
	planted
	KeyID   string `json:"key_id"`
	KeyFile string `json:"key_file"`
}

// Bootstrap makes an organization with a cloud, a folder and a service account
// that owns both, and the account's key. The API has no call for it: who may
// run this on the server's data owns the server.
func (s *Server) Bootstrap(ctx context.Context, r BootstrapRequest) (*BootstrapResult, error) {
	for _, n := range []struct{ flag, value string }{
		{"organization", r.Organization}, {"cloud", r.Cloud}, {"folder", r.Folder}, {"account", r.Account},
	} {
		if !legalName(n.value) {
			return nil, iam.InvalidField(n.flag, "a name is 1 to 63 of a-z, 0-9 and -, begins with a letter and does not end with -")
		}
	}
	p := newPlanted()
	key, file, err := newKey(p.ServiceAccountID, "made by bootstrap", s.now())
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		err := plant(tx, tree(r), p)
		if err != nil {
			return err
		}
		if err := store.InsertKey(tx, key); err != nil {
			return err
		}
		err = grantAll(tx,
			givenRole{p.OrganizationID, "organization-manager.organizations.owner", accountSubject(p.ServiceAccountID)},
			givenRole{p.CloudID, "resource-manager.clouds.owner", accountSubject(p.ServiceAccountID)})
		if err != nil {
			return err
		}
		return s.recordOperator(tx, "organizationmanager.CreateOrganization", resource.Ref{Kind: resource.Organization, ID: p.OrganizationID})
	})
	if err != nil {
		return nil, err
	}
	return &BootstrapResult{planted: p, KeyID: key.ID, KeyFile: string(file.Encode())}, nil
}

// legalName is the rule of names that the API's requests carry
// [API fact: [a-z]([-a-z0-9]{0,61}[a-z0-9])?].
func legalName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
