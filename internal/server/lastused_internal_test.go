package server

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Every kind of key has its last use written, with that of its account, and
// what could not be written is kept.
func TestLastUsedOfEveryKind(t *testing.T) {
	db, _ := twoNodes(t)
	const account = "ajerobot"
	keys := map[usedKind]string{usedAuthorizedKey: "ajekey", usedAPIKey: "ajeapi", usedAccessKey: "ajeaccess"}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		for _, insert := range []error{
			store.InsertOrganization(tx, &iam.Organization{ID: "bpf", Name: "acme"}),
			store.InsertCloud(tx, &iam.Cloud{ID: "b1gcloud", OrganizationID: "bpf", Name: "c"}),
			store.InsertFolder(tx, &iam.Folder{ID: "b1gfolder", CloudID: "b1gcloud", Name: "f", Status: iam.FolderActive}),
			store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: account, FolderID: "b1gfolder", Name: "a", Status: iam.ServiceAccountActive}),
			store.InsertKey(tx, &iam.Key{ID: keys[usedAuthorizedKey], ServiceAccountID: account, Algorithm: iam.RSA2048}),
			store.InsertAPIKey(tx, &iam.APIKey{ID: keys[usedAPIKey], ServiceAccountID: account, Scopes: []string{"s"}, Lookup: "l", Hash: []byte("h")}),
			store.InsertAccessKey(tx, &iam.AccessKey{ID: keys[usedAccessKey], ServiceAccountID: account, KeyID: "YC"}, []byte("sealed")),
		} {
			if insert != nil {
				return insert
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	used := newLastUsed(db)
	at := time.Date(2026, 11, 1, 12, 34, 56, 0, time.UTC)
	for kind, id := range keys {
		used.note(kind, id, account, at)
	}
	if err := used.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx *store.Tx) error {
		k, e1 := store.GetKey(tx, keys[usedAuthorizedKey])
		api, e2 := store.GetAPIKey(tx, keys[usedAPIKey])
		access, e3 := store.GetAccessKey(tx, keys[usedAccessKey])
		a, e4 := store.GetServiceAccount(tx, account)
		for _, err := range []error{e1, e2, e3, e4} {
			if err != nil {
				return err
			}
		}
		for what, got := range map[string]time.Time{"authorized key": k.LastUsedAt, "API key": api.LastUsedAt, "static access key": access.LastUsedAt} {
			if !got.Equal(at) {
				t.Errorf("%s: last used at %v, want %v", what, got, at)
			}
		}
		if want := at.Truncate(accountGrain); !a.LastAuthenticatedAt.Equal(want) {
			t.Errorf("account: %v, want %v", a.LastAuthenticatedAt, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	later := at.Add(keyGrain)
	used.note(usedAccessKey, keys[usedAccessKey], account, later)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if used.write(t.Context()) == nil {
		t.Fatal("written to a closed database")
	}
	if got := used.gathered[usedAccessKey][keys[usedAccessKey]]; !got.Equal(later) {
		t.Errorf("what could not be written: %v, want %v", got, later)
	}
}
