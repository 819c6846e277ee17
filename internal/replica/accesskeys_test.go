package replica_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

const signingSecret = "YCsecretsecretsecretsecretsecretsecretse"

// accessKeys is a replica that opens what a box has sealed, and counts.
func accessKeys(t *testing.T) (f *fixture, insert func(id, sealedFor string), opened *int) {
	t.Helper()
	box, err := seal.New(seal.NewMasterKey("m1"))
	if err != nil {
		t.Fatal(err)
	}
	opened = new(int)
	f = newFixture(t, func(c *replica.Config) {
		c.Open = func(at seal.Place, sealed []byte) ([]byte, error) { *opened++; return box.Open(at, sealed) }
	})
	return f, func(id, sealedFor string) {
		t.Helper()
		sealed, err := box.Seal(store.AccessKeyPlace(sealedFor), []byte(signingSecret))
		if err != nil {
			t.Fatal(err)
		}
		f.update(func(tx *store.Tx) error {
			return store.InsertAccessKey(tx, &iam.AccessKey{ID: id, ServiceAccountID: "robot", KeyID: "YC" + id}, sealed)
		})
	}, opened
}

// A static access key is found by either id, and every change of it is in force
// with the Update that made it, for both. Its secret is opened once.
func TestAccessKeys(t *testing.T) {
	f, insert, opened := accessKeys(t)
	ctx := t.Context()
	both := func() (*iam.AccessKey, *replica.AccessKey, error) {
		byID, e1 := f.r.AccessKey(ctx, "k")
		found, e2 := f.r.FindAccessKey(ctx, "YCk")
		if (e1 == nil) != (e2 == nil) {
			t.Errorf("by id %v, by key id %v", e1, e2)
		}
		return byID, found, errors.Join(e1, e2)
	}
	if _, _, err := both(); !errors.Is(err, iam.NotFound) {
		t.Errorf("before it is there: %v", err)
	}
	insert("k", "k")
	for i, description := range []string{"", "changed"} {
		if i > 0 {
			f.update(func(tx *store.Tx) error { return store.UpdateAccessKeyDescription(tx, "k", description) })
		}
		for _, want := range []uint64{2, 0} {
			if n := f.misses(func() { _, _, _ = both() }); n != want {
				t.Errorf("%d look-ups, want %d", n, want)
			}
		}
		byID, found, err := both()
		check(t, "by id", byID, &iam.AccessKey{ID: "k", ServiceAccountID: "robot", KeyID: "YCk", Description: description}, err)
		if found.Secret.Reveal() != signingSecret || found.AccessKey != *byID || *opened != i+1 {
			t.Errorf("by key id %v, opened %d times", found.AccessKey, *opened)
		}
		if shown := fmt.Sprintf("%v %+v %#v", found, *found, found); strings.Contains(shown, signingSecret[:8]) {
			t.Errorf("shown: %s", shown)
		}
	}
	f.update(func(tx *store.Tx) error { _, err := store.DeleteServiceAccount(tx, "robot"); return err })
	if _, _, err := both(); !errors.Is(err, iam.NotFound) {
		t.Errorf("after its account has gone: %v", err)
	}
}

// A secret opens in its own row alone, and one that does not open is remembered
// neither as a key nor as none.
func TestAccessKeysThatDoNotOpen(t *testing.T) {
	f, insert, opened := accessKeys(t)
	insert("k", "another")
	for try := range 2 {
		_, err := f.r.FindAccessKey(t.Context(), "YCk")
		if iam.KindOf(err) != iam.Internal || *opened != try+1 || strings.Contains(err.Error(), signingSecret[:8]) {
			t.Errorf("try %d: %v, opened %d times", try, err, *opened)
		}
	}
	if k, err := f.r.AccessKey(t.Context(), "k"); err != nil || k.KeyID != "YCk" {
		t.Errorf("without its secret: %v, %v", k, err)
	}
	bare := newFixture(t, nil)
	bare.update(func(tx *store.Tx) error {
		return store.InsertAccessKey(tx, &iam.AccessKey{ID: "k", ServiceAccountID: "robot", KeyID: "YCk"}, []byte("sealed"))
	})
	if _, err := bare.r.FindAccessKey(t.Context(), "YCk"); iam.KindOf(err) != iam.Internal {
		t.Errorf("nothing opens it: %v", err)
	}
}

// Remembered keys are found without a lock or a piece of memory.
func TestRememberedAccessKeysAreFree(t *testing.T) {
	f, insert, _ := accessKeys(t)
	insert("k", "k")
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := f.r.FindAccessKey(ctx, "YCk"); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v pieces of memory a look-up", n)
	}
}
