package replica_test

import (
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// An OAuth token is found by its look-up, and its end is in force with the
// Update that made it.
func TestOAuthTokens(t *testing.T) {
	f := newFixture(t, nil)
	find := func() (*iam.OAuthToken, error) { return f.r.FindOAuthToken(t.Context(), "look-o") }
	remembered := func(what string, lookups uint64) {
		t.Helper()
		for _, want := range []uint64{lookups, 0} {
			if n := f.misses(func() { _, _ = find() }); n != want {
				t.Errorf("%s: %d look-ups, want %d", what, n, want)
			}
		}
	}
	remembered("absent", 1)
	if _, err := find(); !errors.Is(err, iam.NotFound) {
		t.Errorf("before it is there: %v", err)
	}
	want := &iam.OAuthToken{ID: "o", UserID: "carol", Lookup: "look-o", Hash: []byte("h"), ExpiresAt: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	f.update(func(tx *store.Tx) error {
		return errors.Join(store.InsertUserAccount(tx, &iam.UserAccount{ID: "carol", Login: "carol"}), store.InsertOAuthToken(tx, want))
	})
	remembered("inserted", 1)
	got, err := find()
	check(t, "by look-up", got, want, err)
	f.update(func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "carol") })
	remembered("gone with its person", 1)
	if _, err := find(); !errors.Is(err, iam.NotFound) {
		t.Errorf("after its person has gone: %v", err)
	}
}
