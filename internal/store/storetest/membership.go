package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var membershipTests = []test{
	{"people by login and e-mail", testPeopleByLogin},
	{"people in pages", testPeoplePages},
	{"membership ends", testRemoveMember},
	{"person is deleted", testDeleteUserAccount},
	{"e-mail addresses in capitals", testEmailCapitals},
	{"subjects around a place", testSubjectsAround},
	{"subjects with details", testLoadSubjects},
	{"services of a cloud", testServices},
}

func person(id, login, email string) *iam.UserAccount {
	return &iam.UserAccount{ID: id, Login: login, Email: email, Name: login, Status: iam.UserAccountActive, CreatedAt: created}
}

func testPeopleByLogin(t *testing.T, f *fixture) {
	alice, bob := person("aje1", "alice", "a@example.com"), person("aje2", "bob", "")
	alice.GivenName, alice.FamilyName = "Alice", "Иванова"
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertUserAccount(tx, alice), store.InsertUserAccount(tx, bob), store.InsertUserAccount(tx, person("aje3", "carol", "")))
	})
	f.refuse(t, iam.AlreadyExists, "User account with login dave or e-mail a@example.com already exists", func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, person("aje4", "dave", "a@example.com"))
	})
	f.view(t, func(tx *store.Tx) error {
		for _, login := range []string{"alice", "a@example.com"} {
			got, err := store.GetUserAccountByLogin(tx, login)
			if err != nil {
				return err
			}
			same(t, login, alice, got)
		}
		for _, login := range []string{"", "Alice", "a@example", "aje1"} {
			_, err := store.GetUserAccountByLogin(tx, login)
			wantRefusal(t, err, iam.NotFound, "User account "+login+" not found")
		}
		return nil
	})
}

// Addresses that differ in the case of ASCII letters alone are one, of whatever
// engine; other letters are never taken for each other.
func testEmailCapitals(t *testing.T, f *fixture) {
	alice := person("aje1", "alice", "Alice@Example.COM")
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertUserAccount(tx, alice), store.InsertUserAccount(tx, person("aje2", "bob", "\u00c4@example.com")),
			store.InsertUserAccount(tx, person("aje3", "carol", "\u00e4@example.com")))
	})
	f.refuse(t, iam.AlreadyExists, "User account with login dave or e-mail alice@example.com already exists", func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, person("aje4", "dave", "aLICE@example.com"))
	})
	f.view(t, func(tx *store.Tx) error {
		for text, want := range map[string]string{"alice@example.com": "aje1", "ALICE@Example.Com": "aje1", "\u00c4@EXAMPLE.com": "aje2", "\u00e4@example.com": "aje3"} {
			got, err := store.GetUserAccountByLogin(tx, text)
			if err != nil {
				return err
			}
			same(t, text, want, got.ID)
		}
		for _, text := range []string{"ALICE", "alice@example.\u212aom", "al\u0131ce@example.com"} {
			_, err := store.GetUserAccountByLogin(tx, text)
			wantRefusal(t, err, iam.NotFound, "User account "+text+" not found")
		}
		got, err := store.GetUserAccount(tx, "aje1")
		if err == nil {
			same(t, "as it is kept", "alice@example.com", got.Email)
		}
		return err
	})
	if alice.Email != "Alice@Example.COM" {
		t.Error("what the caller holds is changed")
	}
}

func testPeoplePages(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		for i := range 5 {
			id := fmt.Sprintf("aje%d", i)
			if err := store.InsertUserAccount(tx, person(id, "user"+id, "")); err != nil {
				return err
			}
			if _, err := store.AddMember(tx, orgID, iam.SubjectID(id)); err != nil {
				return err
			}
		}
		_, err := store.RemoveMember(tx, orgID, "aje2")
		return err
	})
	f.view(t, func(tx *store.Tx) error {
		for _, c := range []struct {
			list func(*store.Tx, store.Page) ([]*iam.UserAccount, error)
			want string
		}{
			{store.ListUserAccounts, "aje0 aje1|aje2 aje3|aje4"},
			{func(tx *store.Tx, p store.Page) ([]*iam.UserAccount, error) {
				return store.ListMemberAccounts(tx, orgID, p)
			}, "aje0 aje1|aje3 aje4"},
		} {
			got, after := "", ""
			for {
				page, err := c.list(tx, store.Page{After: after, Limit: 2})
				if err != nil || len(page) == 0 {
					same(t, "pages", c.want, got)
					if err != nil {
						return err
					}
					break
				}
				for i, u := range page {
					switch {
					case i > 0:
						got += " "
					case got != "":
						got += "|"
					}
					got += u.ID
				}
				after = page[len(page)-1].ID
			}
		}
		none, err := store.ListMemberAccounts(tx, orgID, store.Page{})
		same(t, "no rows asked for", 0, len(none))
		return err
	})
}

// guest gives a person membership, a group and bindings in two organizations.
func (f *fixture) guest(t *testing.T, id string) {
	t.Helper()
	f.world(t)
	who := iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}
	f.update(t, func(tx *store.Tx) error {
		err := all(store.InsertUserAccount(tx, person(id, "guest", "")), store.InsertOrganization(tx, organization("bpf2", "other")),
			store.InsertCloud(tx, cloud("b1gother", "bpf2", "other")),
			store.InsertGroup(tx, &iam.Group{ID: "ajeg1", OrganizationID: orgID, Name: "g", CreatedAt: created}),
			store.InsertGroup(tx, &iam.Group{ID: "ajeg2", OrganizationID: "bpf2", Name: "g", CreatedAt: created}))
		if err != nil {
			return err
		}
		for _, organization := range []string{orgID, "bpf2"} {
			if _, err := store.AddMember(tx, organization, who.ID); err != nil {
				return err
			}
		}
		for _, group := range []string{"ajeg1", "ajeg2"} {
			if _, err := store.AddGroupMember(tx, group, who); err != nil {
				return err
			}
		}
		for _, on := range []string{orgID, cloudID, "b1gother"} {
			if _, err := store.AddBinding(tx, on, iam.AccessBinding{Role: "viewer", Subject: who}); err != nil {
				return err
			}
		}
		return nil
	})
}

func testRemoveMember(t *testing.T, f *fixture) {
	f.guest(t, "aje1")
	before := f.head(t)
	f.update(t, func(tx *store.Tx) error {
		was, err := store.RemoveMember(tx, orgID, "aje1")
		same(t, "was a member", true, was)
		return err
	})
	told := f.changes(t, before)
	slices.SortFunc(told, func(a, b store.Change) int {
		return slices.Compare([]string{string(a.Kind), a.Key}, []string{string(b.Kind), b.Key})
	})
	want := []store.Change{
		{Kind: store.ChangeBinding, Key: store.BindingKey(cloudID, "aje1")}, {Kind: store.ChangeBinding, Key: store.BindingKey(orgID, "aje1")},
		{Kind: store.ChangeGroups, Key: "aje1"}, {Kind: store.ChangeMember, Key: "aje1"}}
	slices.SortFunc(want, func(a, b store.Change) int {
		return slices.Compare([]string{string(a.Kind), a.Key}, []string{string(b.Kind), b.Key})
	})
	same(t, "feed", want, told)
	f.view(t, func(tx *store.Tx) error {
		groups, err := store.GroupsOf(tx, "aje1")
		same(t, "groups", []iam.SubjectID{"ajeg2"}, groups)
		if err != nil {
			return err
		}
		organizations, err := store.OrganizationsOf(tx, "aje1")
		same(t, "organizations", []string{"bpf2"}, organizations)
		if err != nil {
			return err
		}
		for on, want := range map[string]int{orgID: 0, cloudID: 0, "b1gother": 1} {
			roles, err := store.RolesOf(tx, on, "aje1")
			if err != nil {
				return err
			}
			same(t, "roles on "+on, want, len(roles))
		}
		return nil
	})
	f.told(t, nil, func(tx *store.Tx) error {
		was, err := store.RemoveMember(tx, orgID, "aje1")
		same(t, "was a member", false, was)
		return err
	})
	f.refuse(t, iam.NotFound, "Organization bpfnone not found", func(tx *store.Tx) error {
		return second(store.RemoveMember(tx, "bpfnone", "aje1"))
	})
	f.update(t, func(tx *store.Tx) error {
		return all(second(store.AddMember(tx, orgID, "aje1")), second(store.AddBinding(tx, orgID, iam.AccessBinding{
			Role: iam.OrganizationOwner, Subject: iam.Subject{ID: "aje1", Type: iam.TypeUserAccount}})))
	})
	f.refuse(t, iam.FailedPrecondition, "Organization "+orgID+" must keep at least one "+string(iam.OrganizationOwner), func(tx *store.Tx) error {
		return second(store.RemoveMember(tx, orgID, "aje1"))
	})
	f.refuse(t, iam.FailedPrecondition, "Organization "+orgID+" must keep at least one "+string(iam.OrganizationOwner), func(tx *store.Tx) error {
		return store.DeleteUserAccount(tx, "aje1")
	})
}

func testDeleteUserAccount(t *testing.T, f *fixture) {
	f.guest(t, "aje1")
	f.update(t, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje1") })
	f.view(t, func(tx *store.Tx) error {
		_, err := store.GetUserAccount(tx, "aje1")
		wantRefusal(t, err, iam.NotFound, "User account aje1 not found")
		organizations, err := store.OrganizationsOf(tx, "aje1")
		same(t, "organizations", 0, len(organizations))
		if err != nil {
			return err
		}
		bound, err := store.HasBindingIn(tx, "bpf2", []iam.SubjectID{"aje1"})
		same(t, "bindings are left", false, bound)
		return err
	})
	f.refuse(t, iam.NotFound, "User account aje1 not found", func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje1") })
}

func testSubjectsAround(t *testing.T, f *fixture) {
	f.guest(t, "aje1")
	f.update(t, func(tx *store.Tx) error {
		guest := iam.Subject{ID: "zguest", Type: iam.TypeFederatedUser}
		public := iam.Subject{ID: iam.AllUsers, Type: iam.TypeSystem}
		return all(second(store.AddBinding(tx, folderID, iam.AccessBinding{Role: "viewer", Subject: guest})),
			second(store.AddBinding(tx, folderID, iam.AccessBinding{Role: "editor", Subject: guest})),
			second(store.AddBinding(tx, folderID, iam.AccessBinding{Role: "viewer", Subject: public})))
	})
	f.view(t, func(tx *store.Tx) error {
		for on, want := range map[string][]iam.SubjectID{
			orgID:    {"aje1", "ajeg1", robotID},
			folderID: {"aje1", robotID, "zguest"},
		} {
			slices.Sort(want)
			path, err := store.Ancestors(tx, on)
			if err != nil {
				return err
			}
			for _, size := range []int{1, 2, 100} {
				var got []iam.SubjectID
				for after := iam.SubjectID(""); ; {
					page, err := store.ListSubjectsAround(tx, path, after, size)
					if err != nil {
						return err
					}
					if len(page) > size {
						t.Errorf("%d rows, at most %d", len(page), size)
					}
					if len(page) == 0 {
						break
					}
					got, after = append(got, page...), page[len(page)-1]
				}
				same(t, fmt.Sprintf("around %s by %d", on, size), want, got)
			}
			around, err := store.AreAround(tx, path, append(slices.Clone(want), "ajeg2", "none", iam.AllUsers))
			if err != nil {
				return err
			}
			same(t, "are around", len(want), len(around))
			for _, id := range want {
				same(t, string(id)+" is around", true, around[id])
			}
		}
		none, err := store.ListSubjectsAround(tx, []resource.Ref{{Kind: resource.Folder, ID: folderID}}, "", 0)
		same(t, "no rows asked for", 0, len(none))
		return err
	})
}

func testLoadSubjects(t *testing.T, f *fixture) {
	f.guest(t, "aje1")
	f.update(t, func(tx *store.Tx) error {
		return store.PutServiceAgent(tx, store.ServiceAgent{CloudID: cloudID, ServiceID: "compute", MicroserviceID: "m", ServiceAccountID: robotID})
	})
	f.view(t, func(tx *store.Tx) error {
		ids := []iam.SubjectID{"aje1", "none", robotID, "ajeg1"}
		everywhere, err := store.LoadSubjects(tx, ids, "")
		if err != nil {
			return err
		}
		same(t, "known", 3, len(everywhere))
		same(t, "organizations", []string{orgID, "bpf2"}, everywhere["aje1"].Organizations)
		same(t, "groups", 2, len(everywhere["aje1"].Groups))
		same(t, "account in", []string{folderID, cloudID, "compute", "m"}, []string{everywhere[robotID].Account.FolderID,
			everywhere[robotID].Account.CloudID, everywhere[robotID].Account.ServiceID, everywhere[robotID].Account.MicroserviceID})
		same(t, "group", &store.NamedGroup{ID: "ajeg1", OrganizationID: orgID, Name: "g", CreatedAt: created}, everywhere["ajeg1"].Group)
		here, err := store.LoadSubjects(tx, ids, orgID)
		if err != nil {
			return err
		}
		same(t, "organizations here", []string{orgID}, here["aje1"].Organizations)
		same(t, "groups here", []store.NamedGroup{{ID: "ajeg1", OrganizationID: orgID, Name: "g"}}, here["aje1"].Groups)
		none, err := store.LoadSubjects(tx, nil, "")
		same(t, "of nobody", 0, len(none))
		return err
	})
}

func testServices(t *testing.T, f *fixture) {
	f.world(t)
	on := store.ServiceState{CloudID: cloudID, ServiceID: "compute", Enabled: true, UpdatedAt: created}
	off := store.ServiceState{CloudID: cloudID, ServiceID: "ydb", UpdatedAt: created}
	agent := store.ServiceAgent{CloudID: cloudID, ServiceID: "compute", MicroserviceID: "m", ServiceAccountID: robotID}
	f.update(t, func(tx *store.Tx) error {
		on := on
		on.Enabled = false
		return all(store.PutServiceState(tx, on), store.PutServiceState(tx, off),
			store.PutServiceAgent(tx, store.ServiceAgent{CloudID: cloudID, ServiceID: "compute", MicroserviceID: "m", ServiceAccountID: "ajenone"}))
	})
	f.view(t, func(tx *store.Tx) error {
		agents, err := store.ServiceAgents(tx, cloudID, "compute")
		same(t, "agents without an account", 0, len(agents))
		if err != nil {
			return err
		}
		id, err := store.FolderOfAgents(tx, cloudID)
		same(t, "folder", "", id)
		return err
	})
	f.update(t, func(tx *store.Tx) error { return all(store.PutServiceState(tx, on), store.PutServiceAgent(tx, agent)) })
	f.view(t, func(tx *store.Tx) error {
		states, err := store.ServiceStates(tx, cloudID)
		same(t, "states", map[string]store.ServiceState{"compute": on, "ydb": off}, states)
		if err != nil {
			return err
		}
		agents, err := store.ServiceAgents(tx, cloudID, "compute")
		same(t, "agents", map[string]store.ServiceAgent{"m": agent}, agents)
		if err != nil {
			return err
		}
		id, err := store.FolderOfAgents(tx, cloudID)
		same(t, "folder", folderID, id)
		return err
	})
	f.refuse(t, iam.NotFound, "Resource b1gnone not found", func(tx *store.Tx) error {
		return store.PutServiceState(tx, store.ServiceState{CloudID: "b1gnone", ServiceID: "compute"})
	})
}
