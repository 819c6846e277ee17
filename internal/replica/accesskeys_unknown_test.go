package replica_test

import (
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// A secret under a master key that is not held yet is UNAVAILABLE each
// time it is asked for, never unknown, and other keys are found.
func TestAccessKeysUnderAnUnknownMasterKey(t *testing.T) {
	f, insert, _ := accessKeys(t)
	insert("k", "k")
	other, err := seal.New(seal.NewMasterKey("m2"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := other.Seal(store.AccessKeyPlace("k2"), []byte(signingSecret))
	if err != nil {
		t.Fatal(err)
	}
	f.update(func(tx *store.Tx) error {
		return store.InsertAccessKey(tx, &iam.AccessKey{ID: "k2", ServiceAccountID: "robot", KeyID: "YCk2"}, text)
	})
	for range 2 {
		if _, err := f.r.FindAccessKey(t.Context(), "YCk2"); iam.KindOf(err) != iam.Unavailable {
			t.Errorf("before it is held: %v", err)
		}
	}
	if _, err := f.r.FindAccessKey(t.Context(), "YCk"); err != nil {
		t.Errorf("another key: %v", err)
	}
}
