package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

func passkeyOf(id, userID string) *iam.Passkey {
	return &iam.Passkey{ID: id, UserID: userID, CredentialID: []byte("\x00\xff" + id), Name: "Phone of " + id, Algorithm: -7, PublicKey: []byte{0, 1, 2},
		SignCount: 5, Transports: []string{"hybrid", "internal"}, BackedUp: id == "p1", CreatedAt: created}
}

func testPasskeys(t *testing.T, f *fixture) {
	f.people(t)
	p1, p2, p3 := passkeyOf("p1", "aje1"), passkeyOf("p2", "aje1"), passkeyOf("p3", "aje2")
	p2.Transports = nil
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.InsertPasskey(tx, p1), store.InsertPasskey(tx, p2), store.InsertPasskey(tx, p3))
	})
	list := func(p store.Page, want ...*iam.Passkey) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListPasskeys(tx, "aje1", p)
			same(t, "passkeys", want, got)
			return err
		})
	}
	list(store.Page{Limit: 9}, p1, p2)
	list(store.Page{Limit: 1, After: "p1"}, p2)
	f.view(t, func(tx *store.Tx) error {
		found, err := store.FindPasskey(tx, p3.CredentialID)
		same(t, "by credential", p3, found)
		got, e2 := store.GetPasskey(tx, "aje2", "p3")
		same(t, "by id", p3, got)
		n, e3 := store.CountPasskeys(tx, "aje1")
		same(t, "of alice", 2, n)
		return all(err, e2, e3)
	})
	f.refuse(t, iam.NotFound, "Passkey p3 not found", func(tx *store.Tx) error { return second(store.GetPasskey(tx, "aje1", "p3")) })
	f.refuse(t, iam.NotFound, "Passkey of this credential not found", func(tx *store.Tx) error { return second(store.FindPasskey(tx, []byte("p1"))) })
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error { return store.InsertPasskey(tx, passkeyOf("p9", "ajenone")) })
	f.refuse(t, iam.AlreadyExists, "Passkey already exists", func(tx *store.Tx) error { // another person's credential
		again := passkeyOf("p9", "aje2")
		again.CredentialID = p1.CredentialID
		return store.InsertPasskey(tx, again)
	})
	used := func(id string, count int64, want bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			ok, err := store.UsePasskey(tx, id, count, created.Add(time.Hour))
			same(t, "use", want, ok)
			return err
		})
	}
	used("p2", 5, false)
	used("p2", 4, false)
	used("p2", 0, false)
	used("p2", 6, true)
	used("p2", 6, false)
	used("gone", 1, false)
	f.update(t, func(tx *store.Tx) error { return store.RenamePasskey(tx, "aje1", "p2", "Key") })
	p2.SignCount, p2.LastUsedAt, p2.Name = 6, created.Add(time.Hour), "Key"
	list(store.Page{Limit: 9}, p1, p2)
	p4 := passkeyOf("p4", "aje2")
	p4.SignCount = 0
	f.update(t, func(tx *store.Tx) error { return store.InsertPasskey(tx, p4) })
	used("p4", 0, true) // it counts nothing
	used("p4", 0, true)
	used("p4", 3, true)
	used("p4", 0, false)
	for _, change := range []func(tx *store.Tx) error{
		func(tx *store.Tx) error { return store.RenamePasskey(tx, "aje1", "p3", "mine") },
		func(tx *store.Tx) error { return store.DeletePasskey(tx, "aje1", "p3") },
	} {
		f.refuse(t, iam.NotFound, "Passkey p3 not found", change)
	}
	f.update(t, func(tx *store.Tx) error { return store.DeletePasskey(tx, "aje1", "p1") })
	list(store.Page{Limit: 9}, p2)
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.DeletePasskeys(tx, "aje1")
		same(t, "gone", []string{"p2"}, gone)
		return err
	})
	list(store.Page{Limit: 9})
	f.view(t, func(tx *store.Tx) error { return second(store.GetPasskey(tx, "aje2", "p3")) })
}

// Recovery codes stay as long as there is a second factor.
func testRecoveryCodesOfPasskeys(t *testing.T, f *fixture) {
	f.people(t)
	is := func(codes int) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			n, err := store.CountRecoveryCodes(tx, "aje1")
			same(t, "codes", codes, n)
			return err
		})
	}
	f.update(t, func(tx *store.Tx) error {
		return all(store.SetRecoveryCodes(tx, "aje1", []string{"a", "b"}), store.InsertPasskey(tx, passkeyOf("p1", "aje1")),
			store.BeginTOTP(tx, &iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("x"), CreatedAt: created}),
			second(store.ConfirmTOTP(tx, "aje1", created)))
	})
	is(2)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteTOTP(tx, "aje1")) })
	is(2)
	f.update(t, func(tx *store.Tx) error {
		return all(store.DeletePasskey(tx, "aje1", "p1"), store.BeginTOTP(tx, &iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("x"), CreatedAt: created}),
			second(store.ConfirmTOTP(tx, "aje1", created)), store.DropIdleRecoveryCodes(tx, "aje1"))
	})
	is(2)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteTOTP(tx, "aje1")) })
	is(0)
}

func testChallenges(t *testing.T, f *fixture) {
	end := start.Add(time.Minute).Truncate(time.Microsecond)
	want := &iam.Challenge{Lookup: "c1", Purpose: "upstream", Data: `{"a":1}`, ExpiresAt: end}
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.InsertChallenge(tx, want), store.InsertChallenge(tx, &iam.Challenge{Lookup: "c2", Purpose: "upstream", UserID: "aje1", ExpiresAt: end}))
	})
	f.refuse(t, iam.AlreadyExists, "Challenge already exists", func(tx *store.Tx) error { return store.InsertChallenge(tx, want) })
	missing := func(purpose iam.ChallengePurpose, lookup string) {
		t.Helper()
		f.refuse(t, iam.NotFound, "Challenge of this text not found", func(tx *store.Tx) error { return second(store.TakeChallenge(tx, purpose, lookup)) })
	}
	missing(iam.ChallengePasskey, "c1")
	missing("upstream", "c3")
	f.told(t, nil, func(tx *store.Tx) error {
		got, err := store.TakeChallenge(tx, "upstream", "c1")
		same(t, "challenge", want, got)
		return err
	})
	missing("upstream", "c1")
	for _, first := range []bool{true, false} {
		f.told(t, nil, func(tx *store.Tx) error {
			ok, err := store.SpendChallenge(tx, &iam.Challenge{Lookup: "c4", Purpose: iam.ChallengePasskey, ExpiresAt: end.Add(time.Hour)})
			same(t, "spent", first, ok)
			return err
		})
	}
	f.advance(time.Minute)
	missing("upstream", "c2")
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteExpiredChallenges(tx, end.Add(time.Second))
		same(t, "forgotten", int64(1), n)
		return err
	})
}
