package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// DevWorld is what `dev` finds or makes in its database.
type DevWorld struct {
	planted
	AdminID string `json:"admin_id"`
	AliceID string `json:"alice_id"` // owns the organization and the cloud
	BobID   string `json:"bob_id"`   // belongs to the organization, without roles

	signer devSigner  // static access key of the service account; its row holds the secret
	oauth  iam.Secret // OAuth token of alice; "" when she cannot have one

	passwords map[string]iam.Secret // by login
}

// Files that `dev` leaves in its data folder.
const (
	DevKeyFile      = "key.json"
	DevAdminKeyFile = "admin-key.json"
	DevEnvFile      = "env"
)

// openDevWorld reads the world that an earlier start made, or makes it.
func (s *Server) openDevWorld(ctx context.Context) (*DevWorld, error) {
	w := &DevWorld{
		planted: newPlanted(), AdminID: resource.NewIDFor(resource.ServiceAccount),
		AliceID: resource.NewID(resource.PrefixIAM), BobID: resource.NewID(resource.PrefixIAM),
	}
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		text, made, err := store.GetSetting(tx, store.SettingDev)
		if err != nil {
			return err
		}
		if made {
			return json.Unmarshal([]byte(text), w)
		}
		return s.plantDev(tx, w)
	})
	if err == nil {
		w.signer, err = s.ensureDevSigner(ctx, w.ServiceAccountID)
	}
	if err == nil {
		w.oauth, err = s.ensureDevOAuthToken(ctx, w.AliceID)
	}
	if err == nil {
		w.passwords, err = s.ensureDevPasswords(ctx, map[string]string{"alice": w.AliceID, "bob": w.BobID})
	}
	if err != nil {
		return nil, fmt.Errorf("development data: %w", err)
	}
	return w, nil
}

func (s *Server) plantDev(tx *store.Tx, w *DevWorld) error {
	err := plant(tx, tree{Organization: "dev-organization", Cloud: "dev-cloud", Folder: "default", Account: "dev-robot"}, w.planted)
	if err != nil {
		return err
	}
	if err := plantAccount(tx, w.AdminID, w.FolderID, "dev-admin"); err != nil {
		return err
	}
	for _, u := range []struct{ id, login, name string }{{w.AliceID, "alice", "Alice"}, {w.BobID, "bob", "Bob"}} {
		err := store.InsertUserAccount(tx, &iam.UserAccount{
			ID: u.id, Login: u.login, Email: u.login + "@example.com", Name: u.name, CreatedAt: tx.Now()})
		if err != nil {
			return err
		}
		if _, err := store.AddMember(tx, w.OrganizationID, iam.SubjectID(u.id)); err != nil {
			return err
		}
	}
	robot, admin, alice := accountSubject(w.ServiceAccountID), accountSubject(w.AdminID), userSubject(w.AliceID)
	err = grantAll(tx,
		givenRole{w.FolderID, "editor", robot},
		givenRole{w.CloudID, "resource-manager.viewer", robot},
		givenRole{w.OrganizationID, "admin", admin},
		givenRole{w.CloudID, "admin", admin},
		givenRole{w.OrganizationID, "organization-manager.organizations.owner", alice},
		givenRole{w.CloudID, "resource-manager.clouds.owner", alice})
	if err != nil {
		return err
	}
	if _, err := store.SetOrganizationRefreshTokens(tx, w.OrganizationID, iam.RefreshTokensOn); err != nil {
		return err
	}
	// YDB ends its resource paths with its gizmo [API fact: resource_path of YDB].
	gizmo := RegisterRootRequest{Type: "iam.gizmo", ID: "gizmo", Name: "gizmo"}
	if err := plantRoot(tx, gizmo, admin, alice); err != nil {
		return err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return store.SetSetting(tx, store.SettingDev, string(text))
}

// ensureDevKey leaves a key file that works: the one that is there, when its
// key is still registered, or a fresh one.
func (s *Server) ensureDevKey(ctx context.Context, name, accountID string) error {
	path := filepath.Join(s.cfg.Data, name)
	if f, err := keyfile.Read(path); err == nil && f.ServiceAccountID == accountID {
		err := s.db.View(ctx, func(tx *store.Tx) error {
			_, err := store.GetKey(tx, f.ID)
			return err
		})
		if !errors.Is(err, iam.NotFound) {
			return err
		}
	}
	key, file, err := newKey(accountID, "made by dev", s.now())
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		err := store.InsertKey(tx, key)
		if errors.Is(err, iam.NotFound) {
			return iam.Wrap(err, iam.FailedPrecondition, "the account of %s was deleted; remove the data folder to start anew", name)
		}
		return err
	})
	if err != nil {
		return err
	}
	return file.Write(path)
}

// DevKey is a key file that dev left, by its name; nil when it cannot be read.
func (s *Server) DevKey(name string) []byte {
	text, err := os.ReadFile(filepath.Join(s.cfg.Data, name))
	if err != nil {
		return nil
	}
	return text
}

// DevEnv is the shell file that says where everything is. It holds a secret.
func (s *Server) DevEnv() string {
	w := s.dev
	var b strings.Builder
	vars := [][2]string{
		{"ENDPOINT", s.GRPCAddr()}, {"HTTP_URL", "http://" + s.HTTPAddr()},
		{"ORGANIZATION_ID", w.OrganizationID}, {"CLOUD_ID", w.CloudID}, {"FOLDER_ID", w.FolderID},
		{"SERVICE_ACCOUNT_ID", w.ServiceAccountID}, {"ACCESS_ENDPOINT", s.AccessAddr()},
		{"AWS_REGION", "ru-central1"}, {"AWS_DEFAULT_REGION", "ru-central1"}, // botocore knows the second alone
		{"AWS_ENDPOINT_URL_STS", "http://" + s.HTTPAddr()},
		// What the command line and Terraform read [client fact: environment variables].
		{"YC_ENDPOINT", s.GRPCAddr()}, {"YC_CLOUD_ID", w.CloudID}, {"YC_FOLDER_ID", w.FolderID}, {"YC_ORGANIZATION_ID", w.OrganizationID},
	}
	if path, err := filepath.Abs(filepath.Join(s.cfg.Data, DevAdminKeyFile)); err == nil && s.cfg.Data != "" {
		vars = append(vars, [2]string{"YC_SERVICE_ACCOUNT_KEY_FILE", shellWord(path)})
	}
	if w.signer.keyID != "" {
		vars = append(vars, [2]string{"AWS_ACCESS_KEY_ID", w.signer.keyID}, [2]string{"AWS_SECRET_ACCESS_KEY", w.signer.secret.Reveal()})
	}
	if w.oauth.Reveal() != "" {
		vars = append(vars, [2]string{"OAUTH_TOKEN", w.oauth.Reveal()})
	}
	for _, of := range [][2]string{{"ALICE_PASSWORD", "alice"}, {"BOB_PASSWORD", "bob"}} {
		if p := w.Password(of[1]).Reveal(); p != "" {
			vars = append(vars, [2]string{of[0], p})
		}
	}
	for _, v := range vars {
		fmt.Fprintf(&b, "%s=%s\n", v[0], v[1])
	}
	return b.String()
}

func (s *Server) writeDevEnv() error {
	path := filepath.Join(s.cfg.Data, DevEnvFile)
	if err := os.WriteFile(path+".new", []byte(s.DevEnv()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// shellWord makes one word of a shell's line out of a text, which stays as it is
// when it can.
func shellWord(text string) string {
	if !strings.ContainsFunc(text, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("_./:@%+,=-", c))
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
