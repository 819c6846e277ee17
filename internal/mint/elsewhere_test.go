package mint_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// Another node has moved the signing keys under a master key that this one does
// not hold. It goes on with what it has opened before, does not sign with a key
// that is distrusted meanwhile, and answers UNAVAILABLE where it has nothing.
func TestKeysUnderAMasterKeyThatIsOnItsWay(t *testing.T) {
	c := &clock{whole}
	db := newDB(t, c.Now)
	old, next := seal.NewMasterKey("m1"), seal.NewMasterKey("m2")
	mine, err := seal.New(old)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := seal.New(next, old)
	if err != nil {
		t.Fatal(err)
	}
	here, hereID := openRing(t, db, mine, c.Now), newIDKeys(t, db, mine, c.Now, nil)
	first, firstID := current(t, here, c.at), signerOf(t, hereID)
	there, thereID := openRing(t, db, theirs, c.Now), newIDKeys(t, db, theirs, c.Now, nil)

	reseal(t, db, theirs)
	if err := here.Reload(t.Context()); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a key that is missing is not reported: %v", err)
	}
	hereID.Notice(nil)
	if current(t, here, c.at) != first || signerOf(t, hereID) != firstID {
		t.Error("what was opened before does not sign any more")
	}
	late := newIDKeys(t, db, mine, c.Now, nil)
	if _, err := late.Mint(t.Context(), mint.IDRequest{Issuer: "https://iam.example.com", Subject: "ajerobot", Audience: "them"}); !errors.Is(err, iam.Unavailable) {
		t.Errorf("an ID token by a key that was never opened: %v", err)
	}
	if _, err := late.List(t.Context()); !errors.Is(err, iam.Unavailable) {
		t.Errorf("the list of such keys: %v", err)
	}

	if err := there.Distrust(t.Context(), first, func(*store.Tx, token.Kind, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := thereID.Distrust(t.Context(), firstID, func(*store.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := here.Reload(t.Context()); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a key that is missing is not reported: %v", err)
	}
	if _, err := here.Current(c.at); !errors.Is(err, iam.Unavailable) {
		t.Errorf("a distrusted key signs on: %v", err)
	}
	if slices.ContainsFunc(here.PublicKeys(), func(k token.PublicKey) bool { return k.ID == first }) {
		t.Error("a distrusted key is published on")
	}
	hereID.Notice(nil)
	if _, err := hereID.List(t.Context()); !errors.Is(err, iam.Unavailable) {
		t.Errorf("keys of ID tokens after a distrust: %v", err)
	}
}

// reseal moves every signing key under the first key of a box.
func reseal(t *testing.T, db *store.DB, box *seal.Box) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		rows, err := store.ListSealed(tx, store.SealedSigningKeys, "", 100)
		if err != nil {
			return err
		}
		for _, row := range rows {
			text, _, err := box.Reseal(row.Place, row.Sealed)
			if err != nil {
				return err
			}
			if _, err := store.Reseal(tx, store.SealedSigningKeys, row, text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
