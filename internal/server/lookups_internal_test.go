package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// Keys from before there were look-ups get theirs, more than one transaction
// takes and from two nodes at once; a secret that does not open keeps no other
// key from it.
func TestFillLookups(t *testing.T) {
	db, _ := twoNodes(t)
	box, err := seal.New(seal.NewMasterKey("m1"))
	if err != nil {
		t.Fatal(err)
	}
	const account, keys, closed = "ajerobot", 2*lookupsAtOnce + 50, lookupsAtOnce + 1
	secrets := map[string]iam.Secret{}
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		for _, insert := range []error{
			store.InsertOrganization(tx, &iam.Organization{ID: "bpf", Name: "acme"}),
			store.InsertCloud(tx, &iam.Cloud{ID: "b1gcloud", OrganizationID: "bpf", Name: "c"}),
			store.InsertFolder(tx, &iam.Folder{ID: "b1gfolder", CloudID: "b1gcloud", Name: "f", Status: iam.FolderActive}),
			store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: account, FolderID: "b1gfolder", Name: "a", Status: iam.ServiceAccountActive}),
		} {
			if insert != nil {
				return insert
			}
		}
		for i := range keys {
			k := &iam.AccessKey{ID: fmt.Sprintf("aje%05d", i), ServiceAccountID: account, KeyID: fmt.Sprintf("YC%05d", i)}
			_, secret := credential.NewAccessKey()
			sealed, err := box.Seal(store.AccessKeyPlace(k.ID), []byte(secret.Reveal()))
			if err != nil {
				return err
			}
			if i < closed { // a whole page of them comes first
				sealed[len(sealed)-1]++
			} else {
				secrets[k.ID] = secret
			}
			if err := store.InsertAccessKey(tx, k, sealed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		s := &Server{db: db, box: box, log: slog.New(slog.DiscardHandler)}
		cut, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.fillLookups(cut); err == nil || s.searchable.Load() {
			t.Errorf("cut short: %v, and all are found: %v", err, s.searchable.Load())
		}
		wg.Go(func() {
			if err := s.fillLookups(t.Context()); err != nil || !s.searchable.Load() {
				t.Errorf("%v, all are found: %v", err, s.searchable.Load())
			}
		})
	}
	wg.Wait()
	err = db.View(t.Context(), func(tx *store.Tx) error {
		for id, secret := range secrets {
			k, err := store.FindAccessKeyByLookup(tx, credential.SecretLookup(secret))
			if err != nil || k.ID != id {
				t.Errorf("%s: %v, %v", id, k, err)
			}
		}
		left, err := store.ListAccessKeysWithoutLookup(tx, "", keys)
		if len(left) != closed {
			t.Errorf("%d keys are left, want %d", len(left), closed)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
