package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var peopleTests = []test{
	{"user accounts", testUserAccounts},
	{"members", testMembers},
}

func testUserAccounts(t *testing.T, f *fixture) {
	want := &iam.UserAccount{ID: "aje1", Login: "alice", Email: "alice@example.com", Name: "Алиса", Status: iam.UserAccountActive, CreatedAt: created}
	f.told(t, []store.Change{{Kind: store.ChangeUserAccount, Key: "aje1"}}, func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, want)
	})
	f.refuse(t, iam.AlreadyExists, "User account with login alice already exists", func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje2", Login: "alice", CreatedAt: created})
	})
	want.LastAuthenticatedAt = created.Add(time.Second)
	f.told(t, nil, func(tx *store.Tx) error {
		return store.TouchUserAccounts(tx, map[string]time.Time{"aje1": want.LastAuthenticatedAt})
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetUserAccount(tx, "aje1")
		same(t, "by id", want, got)
		if err != nil {
			return err
		}
		got, err = store.GetUserAccountByLogin(tx, "alice")
		same(t, "by login", want, got)
		if err != nil {
			return err
		}
		_, err = store.GetUserAccount(tx, "aje2")
		wantRefusal(t, err, iam.NotFound, "User account aje2 not found")
		return nil
	})
}

func testMembers(t *testing.T, f *fixture) {
	f.world(t)
	f.told(t, []store.Change{{Kind: store.ChangeMember, Key: "u2"}, {Kind: store.ChangeMember, Key: "u1"}}, func(tx *store.Tx) error {
		return all(second(store.AddMember(tx, orgID, "u2")), second(store.AddMember(tx, orgID, "u1")))
	})
	f.told(t, nil, func(tx *store.Tx) error {
		added, err := store.AddMember(tx, orgID, "u1")
		same(t, "added again", false, added)
		return err
	})
	f.refuse(t, iam.NotFound, "Organization "+cloudID+" not found", func(tx *store.Tx) error {
		return second(store.AddMember(tx, cloudID, "u1"))
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.Members(tx, orgID, "", 9)
		same(t, "members", []iam.SubjectID{"u1", "u2"}, got)
		if err != nil {
			return err
		}
		got, err = store.Members(tx, orgID, "u1", 9)
		same(t, "members after u1", []iam.SubjectID{"u2"}, got)
		if err != nil {
			return err
		}
		of, err := store.OrganizationsOf(tx, "u1")
		same(t, "organizations", []string{orgID}, of)
		return err
	})
}
