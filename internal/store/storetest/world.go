package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// The little world that most tests start from.
const (
	orgID    = "bpf00000000000000org"
	cloudID  = "b1g0000000000000cld1"
	folderID = "b1g0000000000000fld1"
	robotID  = "aje0000000000000rob1"
	keyID    = "aje0000000000000key1"
)

var created = start.Truncate(time.Microsecond)

func organization(id, name string) *iam.Organization {
	return &iam.Organization{ID: id, Name: name, Title: "Title of " + name, CreatedAt: created}
}

func cloud(id, organizationID, name string) *iam.Cloud {
	return &iam.Cloud{ID: id, OrganizationID: organizationID, Name: name, CreatedAt: created}
}

func folder(id, cloudID, name string) *iam.Folder {
	return &iam.Folder{ID: id, CloudID: cloudID, Name: name, Status: iam.FolderActive, CreatedAt: created}
}

func robot(id, folderID, name string) *iam.ServiceAccount {
	return &iam.ServiceAccount{ID: id, FolderID: folderID, Name: name, Status: iam.ServiceAccountActive, CreatedAt: created}
}

func key(id, robotID string) *iam.Key {
	return &iam.Key{ID: id, ServiceAccountID: robotID, Algorithm: iam.RSA2048, PublicKey: "-----BEGIN PUBLIC KEY-----\n…", CreatedAt: created}
}

func bind(role iam.RoleID, id iam.SubjectID) iam.AccessBinding {
	return iam.AccessBinding{Role: role, Subject: iam.Subject{ID: id, Type: iam.TypeServiceAccount}}
}

func (f *fixture) world(t *testing.T) {
	t.Helper()
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertOrganization(tx, organization(orgID, "acme")),
			store.InsertCloud(tx, cloud(cloudID, orgID, "prod")),
			store.InsertFolder(tx, folder(folderID, cloudID, "web")),
			store.InsertServiceAccount(tx, robot(robotID, folderID, "deployer")),
			store.InsertKey(tx, key(keyID, robotID)),
		)
	})
}

// all returns the first of some errors: of a failed transaction only the first tells why.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// second drops the first result of a function that returns two.
func second[T any](_ T, err error) error { return err }
