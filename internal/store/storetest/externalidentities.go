package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var externalIdentityTests = []test{
	{"a row's life", testExternalIdentity},
	{"whose an account is", testExternalIdentityIsOnes},
	{"ways in are counted", testWaysIn},
	{"they go with their person", testExternalIdentitiesGo},
}

func elsewhere(provider, id, userID string) *iam.ExternalIdentity {
	return &iam.ExternalIdentity{Provider: provider, ExternalID: id, UserID: userID, Email: id + "@example.com", CreatedAt: created}
}

func testExternalIdentity(t *testing.T, f *fixture) {
	f.people(t)
	want := elsewhere("https://one.example", "sub", "aje1")
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.InsertExternalIdentity(tx, want), store.InsertExternalIdentity(tx, elsewhere("https://two.example", "sub", "aje1")),
			store.InsertExternalIdentity(tx, elsewhere("https://one.example", "SUB", "aje2"))) // compared exactly
	})
	is := func(want *iam.ExternalIdentity) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.FindExternalIdentity(tx, want.Provider, want.ExternalID)
			same(t, "the account", want, got)
			return err
		})
	}
	is(want)
	want.Email, want.LastUsedAt = "new@example.com", start.Truncate(time.Microsecond)
	f.told(t, nil, func(tx *store.Tx) error { return store.UseExternalIdentity(tx, want) })
	is(want)
	f.view(t, func(tx *store.Tx) error {
		got, err := store.ListExternalIdentities(tx, "aje1")
		same(t, "list", []*iam.ExternalIdentity{want, elsewhere("https://two.example", "sub", "aje1")}, got)
		return err
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.DeleteExternalIdentity(tx, "aje1", "https://one.example") })
	for what, do := range map[string]func(tx *store.Tx) error{
		"Connection https://one.example not found": func(tx *store.Tx) error {
			return store.DeleteExternalIdentity(tx, "aje1", "https://one.example")
		},
		"External identity of this account not found": func(tx *store.Tx) error { return store.UseExternalIdentity(tx, want) },
		"User account ajenone not found": func(tx *store.Tx) error {
			return store.InsertExternalIdentity(tx, elsewhere("https://one.example", "x", "ajenone"))
		},
	} {
		f.refuse(t, iam.NotFound, what, do)
	}
	is(elsewhere("https://one.example", "SUB", "aje2"))
}

func testExternalIdentityIsOnes(t *testing.T, f *fixture) {
	f.people(t)
	f.update(t, func(tx *store.Tx) error {
		return store.InsertExternalIdentity(tx, elsewhere("https://one.example", "sub", "aje1"))
	})
	f.refuse(t, iam.AlreadyExists, "The account of this provider is connected already", func(tx *store.Tx) error {
		return store.InsertExternalIdentity(tx, elsewhere("https://one.example", "sub", "aje2"))
	})
	f.refuse(t, iam.AlreadyExists, "Another account of this provider is connected already", func(tx *store.Tx) error {
		return store.InsertExternalIdentity(tx, elsewhere("https://one.example", "other", "aje1"))
	})
	f.refuse(t, iam.NotFound, "External identity of this account not found", func(tx *store.Tx) error { // another's is not used
		return store.UseExternalIdentity(tx, elsewhere("https://one.example", "sub", "aje2"))
	})
	f.refuse(t, iam.NotFound, "External identity of this account not found", func(tx *store.Tx) error {
		return second(store.FindExternalIdentity(tx, "https://two.example", "sub"))
	})
}

func testWaysIn(t *testing.T, f *fixture) {
	f.people(t)
	ways := func(want int, providers ...string) {
		t.Helper()
		f.update(t, func(tx *store.Tx) error {
			got, err := store.CountWaysIn(tx, "aje1", providers)
			same(t, "ways in", want, got)
			return err
		})
	}
	ways(0, "https://one.example")
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertExternalIdentity(tx, elsewhere("https://one.example", "sub", "aje1")),
			store.InsertExternalIdentity(tx, elsewhere("https://two.example", "sub", "aje1")),
			store.InsertExternalIdentity(tx, elsewhere("https://one.example", "other", "aje2")))
	})
	ways(2, "https://one.example", "https://two.example", "https://three.example")
	ways(1, "https://two.example") // the config has the other no more
	f.update(t, func(tx *store.Tx) error {
		return all(store.SetPassword(tx, &iam.Password{UserID: "aje1", PHC: "x", ChangedAt: created}),
			store.InsertPasskey(tx, &iam.Passkey{ID: "key1", UserID: "aje1", CredentialID: []byte("credential"), CreatedAt: created}))
	})
	ways(3, "https://two.example")
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		return second(store.CountWaysIn(tx, "ajenone", nil))
	})
}

func testExternalIdentitiesGo(t *testing.T, f *fixture) {
	f.people(t)
	f.update(t, func(tx *store.Tx) error {
		return store.InsertExternalIdentity(tx, elsewhere("https://one.example", "sub", "aje1"))
	})
	f.update(t, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje1") })
	f.update(t, func(tx *store.Tx) error { // and another person may have it
		return store.InsertExternalIdentity(tx, elsewhere("https://one.example", "sub", "aje2"))
	})
}
