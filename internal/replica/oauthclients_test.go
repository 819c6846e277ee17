package replica_test

import (
	"errors"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// A client and its secret are remembered, and every change of them is in force
// with the Update that made it.
func TestOAuthClients(t *testing.T) {
	f := newFixture(t, nil)
	ctx := t.Context()
	client := &iam.OAuthClient{ID: "c", FolderID: "dev", Name: "site", ProfileID: "web", RedirectURIs: []string{"https://a.example/"}}
	secret := &iam.OAuthClientSecret{ID: "s", OAuthClientID: "c", MaskedSecret: "m", Lookup: "look-s", Hash: []byte("s")}
	reads := map[string]func() error{
		"client": func() error {
			got, err := f.r.OAuthClient(ctx, "c")
			if err == nil {
				check(t, "client", got, client, err)
			}
			return err
		},
		"secret": func() error {
			got, err := f.r.OAuthClientSecret(ctx, "s")
			if err == nil {
				check(t, "secret", got, secret, err)
			}
			return err
		},
		"found secret": func() error {
			got, err := f.r.FindOAuthClientSecret(ctx, "look-s")
			if err == nil {
				check(t, "found", got, secret, err)
			}
			return err
		},
	}
	// expect looks twice: first whatever was dropped is looked up, then nothing is.
	expect := func(what string, there bool, lookups map[string]uint64) {
		t.Helper()
		for name, read := range reads {
			for _, want := range []uint64{lookups[name], 0} {
				var err error
				if n := f.misses(func() { err = read() }); n != want {
					t.Errorf("%s, %s: %d look-ups, want %d", what, name, n, want)
				}
				if there && err != nil || !there && !errors.Is(err, iam.NotFound) {
					t.Errorf("%s, %s: %v", what, name, err)
				}
			}
		}
	}
	every := map[string]uint64{"client": 1, "secret": 1, "found secret": 1}
	expect("absent", false, every)
	f.update(func(tx *store.Tx) error {
		if err := store.InsertOAuthClient(tx, client); err != nil {
			return err
		}
		return store.InsertOAuthClientSecret(tx, secret)
	})
	expect("inserted", true, every)
	client = &iam.OAuthClient{ID: "c", FolderID: "dev", Name: "shop", ProfileID: "web"}
	f.update(func(tx *store.Tx) error { return store.UpdateOAuthClient(tx, client) })
	expect("updated", true, map[string]uint64{"client": 1})
	f.update(func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, "c") })
	expect("deleted", false, every)
}
