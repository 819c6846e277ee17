package replica_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

func apiKey(id string) *iam.APIKey {
	return &iam.APIKey{ID: id, ServiceAccountID: "robot", Scopes: []string{"yc.b.use", "yc.a.use"}, Lookup: "look-" + id, Hash: []byte(id)}
}

// An API key is found by its id and by its look-up, and every change of it is
// in force with the Update that made it, for both.
func TestAPIKeys(t *testing.T) {
	f := newFixture(t, nil)
	ctx := t.Context()
	both := func() (byID, found *iam.APIKey, err error) {
		byID, e1 := f.r.APIKey(ctx, "k")
		found, e2 := f.r.FindAPIKey(ctx, "look-k")
		if (e1 == nil) != (e2 == nil) {
			t.Errorf("by id %v, by look-up %v", e1, e2)
		}
		return byID, found, errors.Join(e1, e2)
	}
	remembered := func(what string, lookups uint64) {
		t.Helper()
		for _, want := range []uint64{lookups, 0} {
			if n := f.misses(func() { _, _, _ = both() }); n != want {
				t.Errorf("%s: %d look-ups, want %d", what, n, want)
			}
		}
	}
	remembered("absent", 2)
	if _, _, err := both(); !errors.Is(err, iam.NotFound) {
		t.Errorf("before it is there: %v", err)
	}
	f.update(func(tx *store.Tx) error { return store.InsertAPIKey(tx, apiKey("k")) })
	remembered("inserted", 2)
	want := apiKey("k")
	for range 2 {
		byID, found, err := both()
		check(t, "by id", byID, want, err)
		check(t, "by look-up", found, want, err)
		want.Scopes, want.ExpiresAt = []string{"yc.c.use"}, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		f.update(func(tx *store.Tx) error { return store.UpdateAPIKey(tx, want) })
		remembered("updated", 2)
	}
	f.update(func(tx *store.Tx) error { return store.InsertAPIKey(tx, apiKey("other")) })
	remembered("another one", 0)
	f.update(func(tx *store.Tx) error { _, err := store.DeleteServiceAccount(tx, "robot"); return err })
	if _, _, err := both(); !errors.Is(err, iam.NotFound) {
		t.Errorf("after its account has gone: %v", err)
	}
}

// A flood of made-up secrets stays within the memory for absence, and pushes
// out no key that exists.
func TestUnknownAPIKeysAreBounded(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) { c.MaxBytes = 256 << 10 })
	f.update(func(tx *store.Tx) error { return store.InsertAPIKey(tx, apiKey("k")) })
	for range 3 {
		if _, err := f.r.FindAPIKey(t.Context(), "look-k"); err != nil {
			t.Fatal(err)
		}
	}
	before := f.r.Stats().Bytes
	for i := range 3000 {
		if _, err := f.r.FindAPIKey(t.Context(), fmt.Sprintf("%032x", i)); !errors.Is(err, iam.NotFound) {
			t.Fatal(err)
		}
	}
	if s := f.r.Stats(); s.Bytes-before > 64<<10 {
		t.Errorf("made-up look-ups take %d bytes of a memory of 256 KiB", s.Bytes-before)
	}
	if n := f.misses(func() { _, _ = f.r.FindAPIKey(t.Context(), "look-k") }); n != 0 {
		t.Error("a key that exists was pushed out by those that do not")
	}
}
