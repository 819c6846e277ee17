package leakapi

import (
	"errors"
	"testing"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// While keys from before there were look-ups may have none, a secret that is not
// found is not known to be dead. Keys that never get one do not keep it so.
func TestSecretsBeforeTheirLookups(t *testing.T) {
	e, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	db := store.New(e, store.Options{})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	searchable := false
	s := &Service{DB: db, Searchable: func() bool { return searchable }}
	_, secret := credential.NewAccessKey()
	judge := func(what string, wantUnknown bool) {
		t.Helper()
		f, unknown, err := s.judge(t.Context(), leak.AccessSecret, secret.Reveal())
		if f != nil || unknown != wantUnknown || err != nil {
			t.Errorf("%s: %v, unknown %v, %v; want unknown %v", what, f, unknown, err, wantUnknown)
		}
	}
	judge("no keys", false)
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			store.InsertOrganization(tx, &iam.Organization{ID: "bpf", Name: "acme"}),
			store.InsertCloud(tx, &iam.Cloud{ID: "b1gcloud", OrganizationID: "bpf", Name: "c"}),
			store.InsertFolder(tx, &iam.Folder{ID: "b1gfolder", CloudID: "b1gcloud", Name: "f", Status: iam.FolderActive}),
			store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: "ajerobot", FolderID: "b1gfolder", Name: "a", Status: iam.ServiceAccountActive}),
			store.InsertAccessKey(tx, &iam.AccessKey{ID: "ajeold", ServiceAccountID: "ajerobot", KeyID: "YCold"}, []byte("sealed")))
	})
	if err != nil {
		t.Fatal(err)
	}
	judge("a key that nobody has looked at", true)
	searchable = true
	judge("a key that nobody can open", false)
}
