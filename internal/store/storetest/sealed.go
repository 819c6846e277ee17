package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

var sealedTests = []test{
	{"moved under another key", testReseal},
	{"an account's end", testExpiry},
}

func testReseal(t *testing.T, f *fixture) {
	f.world(t)
	signing := func(id string, purpose store.SigningPurpose, sealed []byte) *store.SigningKey {
		return &store.SigningKey{ID: id, Purpose: purpose, Public: []byte("p"), Sealed: sealed, CreatedAt: created, SignsFrom: created}
	}
	f.update(t, func(tx *store.Tx) error {
		return all(insertAccessKey(tx, "ajeb", robotID), insertAccessKey(tx, "ajea", robotID),
			store.InsertSigningKey(tx, signing("s2", store.PurposeFeed, sealedText("s2"))),
			store.InsertSigningKey(tx, signing("s1", store.PurposeID, sealedText("s1"))),
			store.InsertSigningKey(tx, signing("s3", store.PurposeIAM, nil)), // nothing in it to move
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje1", Login: "alice", CreatedAt: created}),
			store.BeginTOTP(tx, &iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("aje1"), CreatedAt: created}))
	})
	signed := func(id, place string, text []byte) store.SealedRow {
		return store.SealedRow{ID: id, Place: seal.Place{Table: "signing_keys", Column: "sealed", ID: place}, Sealed: text}
	}
	access := func(id string, text []byte) store.SealedRow {
		return store.SealedRow{ID: id, Place: store.AccessKeyPlace(id), Sealed: text}
	}
	list := func(what string, table store.SealedTable, after string, limit int, want []store.SealedRow) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListSealed(tx, table, after, limit)
			same(t, what, want, got)
			return err
		})
	}
	s1, s2, a, b := signed("s1", "id/s1", sealedText("s1")), signed("s2", "feed/s2", sealedText("s2")), access("ajea", sealedText("ajea")), access("ajeb", sealedText("ajeb"))
	list("signing keys", store.SealedSigningKeys, "", 9, []store.SealedRow{s1, s2})
	list("access keys", store.SealedAccessKeys, "", 9, []store.SealedRow{a, b})
	app := store.SealedRow{ID: "aje1", Place: store.TOTPPlace("aje1"), Sealed: sealedText("aje1")}
	list("authenticator apps", store.SealedTOTPSecrets, "", 9, []store.SealedRow{app})
	list("the first", store.SealedAccessKeys, "", 1, []store.SealedRow{a})
	list("the rest", store.SealedAccessKeys, "ajea", 9, []store.SealedRow{b})

	reseal := func(what string, table store.SealedTable, row store.SealedRow, want bool, told []store.Change) {
		t.Helper()
		f.told(t, told, func(tx *store.Tx) error {
			moved, err := store.Reseal(tx, table, row, []byte("anew"))
			if moved != want {
				t.Errorf("%s: moved %v", what, moved)
			}
			return err
		})
	}
	reseal("a signing key", store.SealedSigningKeys, s1, true, []store.Change{{Kind: store.ChangeSigningKeys}})
	reseal("an access key", store.SealedAccessKeys, a, true, nil)
	reseal("an authenticator app", store.SealedTOTPSecrets, app, true, nil)
	reseal("one that was moved meanwhile", store.SealedTOTPSecrets, app, false, nil)
	reseal("one that was moved meanwhile", store.SealedAccessKeys, a, false, nil)
	reseal("one that was moved meanwhile", store.SealedSigningKeys, s1, false, nil)
	reseal("one that has gone", store.SealedAccessKeys, access("ajegone", sealedText("x")), false, nil)
	list("after it", store.SealedSigningKeys, "", 9, []store.SealedRow{signed("s1", "id/s1", []byte("anew")), s2})
	list("after it", store.SealedAccessKeys, "", 9, []store.SealedRow{access("ajea", []byte("anew")), b})
	err := f.db.View(t.Context(), func(tx *store.Tx) error {
		_, err := store.ListSealed(tx, "settings", "", 9)
		return err
	})
	if err == nil {
		t.Error("a table without secrets was listed")
	}
}

func testExpiry(t *testing.T, f *fixture) {
	f.world(t)
	early, late := start.Add(time.Hour).Truncate(time.Microsecond), start.Add(2*time.Hour).Truncate(time.Microsecond)
	mortal := func(id string, end time.Time) *iam.ServiceAccount {
		a := robot(id, folderID, id)
		a.ExpiresAt = end
		return a
	}
	second, first := mortal("ajea", late), mortal("ajeb", early)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertServiceAccount(tx, second), store.InsertServiceAccount(tx, first), store.InsertServiceAccount(tx, mortal("ajec", time.Time{})))
	})
	due := func(what string, want ...*iam.ServiceAccount) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListExpiredServiceAccounts(tx, 9)
			same(t, what, want, got)
			return err
		})
	}
	record := func(what, id string, end time.Time, want bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			recorded, err := store.RecordServiceAccountExpiry(tx, id, end)
			if recorded != want {
				t.Errorf("%s: recorded %v", what, recorded)
			}
			return err
		})
	}
	due("nothing yet")
	record("before its end", "ajeb", early, false)
	f.advance(time.Hour)
	due("one", first)
	f.advance(time.Hour)
	due("both, in order", first, second)
	record("another end", "ajeb", late, false)
	record("its end", "ajeb", early, true)
	record("twice", "ajeb", early, false)
	record("nobody", "ajenone", early, false)
	record("without an end", "ajec", early, false)
	due("the other", second)

	// An end that is moved counts anew.
	first.ExpiresAt = late.Add(time.Hour)
	f.update(t, func(tx *store.Tx) error { return store.UpdateServiceAccount(tx, first) })
	due("not yet again", second)
	f.advance(time.Hour)
	due("again", second, first)
	record("again", "ajeb", first.ExpiresAt, true)
	first.ExpiresAt = time.Time{}
	f.update(t, func(tx *store.Tx) error { return store.UpdateServiceAccount(tx, first) })
	due("without an end", second)
	f.view(t, func(tx *store.Tx) error {
		got, err := store.ListExpiredServiceAccounts(tx, 0)
		same(t, "none wanted", []*iam.ServiceAccount(nil), got)
		return err
	})
}
