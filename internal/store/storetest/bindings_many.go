package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var manyTests = []test{
	{"bindings in sets", testManyBindings},
	{"members among some", testMembersAmong},
	{"known subjects", testKnownSubjects},
	{"known subjects stay", testKnownSubjectRace},
}

// testManyBindings: sets of every size around what one statement takes do what
// as many single calls do.
func testManyBindings(t *testing.T, f *fixture) {
	f.world(t)
	for _, n := range []int{1, 2, 3, 63, 64, 65, 200} {
		var set []iam.AccessBinding
		var subjects []iam.SubjectID
		var told []store.Change
		for i := range n {
			id := iam.SubjectID(fmt.Sprintf("s%03d", i))
			subjects = append(subjects, id)
			set = append(set, bind("editor", id), bind("viewer", id))
			told = append(told, store.Change{Kind: store.ChangeBinding, Key: store.BindingKey(folderID, id)})
		}
		f.told(t, told, func(tx *store.Tx) error { return store.AddBindings(tx, folderID, set) })
		f.told(t, nil, func(tx *store.Tx) error { return store.AddBindings(tx, folderID, set) })
		f.view(t, func(tx *store.Tx) error {
			got, err := store.FindBindings(tx, folderID, append(subjects, subjects[0], "nobody"))
			same(t, fmt.Sprintf("%d subjects", n), set, got)
			return err
		})
		before := f.head(t)
		f.update(t, func(tx *store.Tx) error {
			return store.RemoveBindings(tx, folderID, append(set[1:], bind("viewer", "nobody")))
		})
		less := cmpopts.SortSlices(func(a, b store.Change) bool { return a.Key < b.Key })
		if d := cmp.Diff(told, f.changes(t, before), less); d != "" {
			t.Errorf("feed of removing %d (-want +got):\n%s", n, d)
		}
		f.update(t, func(tx *store.Tx) error {
			left, err := store.ListBindings(tx, folderID, iam.AccessBinding{}, 9)
			same(t, "left", set[:1], left)
			return all(err, store.RemoveBindings(tx, folderID, set), store.RemoveBindings(tx, folderID, nil), store.AddBindings(tx, folderID, nil))
		})
	}
	f.refuse(t, iam.NotFound, "Resource none not found", func(tx *store.Tx) error {
		return store.AddBindings(tx, "none", []iam.AccessBinding{bind("viewer", robotID)})
	})
}

func testMembersAmong(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertGroup(tx, group("g", "g")), store.InsertGroup(tx, group("other", "other")),
			second(store.AddGroupMember(tx, "g", iam.Subject{ID: robotID, Type: iam.TypeServiceAccount})),
			second(store.AddGroupMember(tx, "other", iam.Subject{ID: "alice", Type: iam.TypeUserAccount})))
	})
	asked := []iam.SubjectID{"alice", robotID}
	for i := range 100 {
		asked = append(asked, iam.SubjectID(fmt.Sprint("x", i)))
	}
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GroupMembersAmong(tx, "g", asked)
		same(t, "among", map[iam.SubjectID]bool{robotID: true}, got)
		return err
	})
}

func testKnownSubjects(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertGroup(tx, group("g", "g")), store.InsertOrganization(tx, organization("bpf2", "other")),
			store.InsertGroup(tx, &iam.Group{ID: "far", OrganizationID: "bpf2", Name: "g", CreatedAt: created}),
			store.InsertServiceAccount(tx, robot("gone", folderID, "gone")), second(store.DeleteServiceAccount(tx, "gone")),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "alice", Login: "alice", CreatedAt: created}))
	})
	far := []iam.Subject{{ID: "far", Type: iam.TypeGroup}, {ID: iam.OrganizationUsers("bpf2"), Type: iam.TypeSystem}}
	known := []iam.Subject{{ID: robotID, Type: iam.TypeServiceAccount}, {ID: "g", Type: iam.TypeGroup}, {ID: "alice", Type: iam.TypeUserAccount},
		{ID: iam.OrganizationUsers(orgID), Type: iam.TypeSystem}}
	unknown := []iam.Subject{{ID: iam.OrganizationUsers("root"), Type: iam.TypeSystem}, {ID: iam.OrganizationUsers(cloudID), Type: iam.TypeSystem},
		{ID: iam.OrganizationUsers(orgID), Type: iam.TypeGroup}, {ID: "gone", Type: iam.TypeServiceAccount}, {ID: "alice", Type: iam.TypeServiceAccount},
		{ID: robotID, Type: iam.TypeUserAccount}, {ID: robotID, Type: iam.TypeGroup}, {ID: folderID, Type: iam.TypeServiceAccount},
		{ID: "alice", Type: iam.TypeFederatedUser}, {ID: iam.AllUsers, Type: iam.TypeSystem}, {ID: "none", Type: iam.TypeGroup}}
	f.update(t, func(tx *store.Tx) error {
		if err := store.InsertRegistered(tx, &iam.RegisteredResource{ID: "root", Type: "iam.gizmo", CreatedAt: created}); err != nil {
			return err
		}
		// A root that is no organization has no groups: any organization's count.
		for at, sides := range map[string][2][]iam.Subject{
			orgID:  {known, append(unknown, far...)},
			"root": {append(known, far...), unknown},
		} {
			got, err := store.KnownSubjects(tx, at, append(sides[0], sides[1]...))
			if err != nil {
				return err
			}
			for want, side := range map[bool][]iam.Subject{true: sides[0], false: sides[1]} {
				for _, s := range side {
					same(t, fmt.Sprint(s, " on ", at), want, got[s])
				}
			}
		}
		return nil
	})
}

// testKnownSubjectRace: who is known when a set of bindings is written is not
// deleted before it is; of who is deleted nothing stays.
func testKnownSubjectRace(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		account, id := fmt.Sprint("a", round), fmt.Sprint("g", round)
		f.update(t, func(tx *store.Tx) error {
			return all(store.InsertServiceAccount(tx, robot(account, folderID, account)), store.InsertGroup(tx, group(id, id)))
		})
		subjects := []iam.Subject{{ID: iam.SubjectID(account), Type: iam.TypeServiceAccount}, {ID: iam.SubjectID(id), Type: iam.TypeGroup}}
		together(t, 4, iam.NotFound, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				switch i {
				case 0:
					return second(store.DeleteServiceAccount(tx, account))
				case 1:
					return store.DeleteGroup(tx, id)
				}
				if err := store.LockResource(tx, cloudID); err != nil {
					return err
				}
				known, err := store.KnownSubjects(tx, orgID, subjects)
				if err != nil {
					return err
				}
				var set []iam.AccessBinding
				for _, s := range subjects {
					if known[s] {
						set = append(set, iam.AccessBinding{Role: "viewer", Subject: s})
					}
				}
				return store.AddBindings(tx, cloudID, set)
			})
		})
		f.view(t, func(tx *store.Tx) error {
			left, err := store.FindBindings(tx, cloudID, []iam.SubjectID{iam.SubjectID(account), iam.SubjectID(id)})
			same(t, "bindings of who is deleted", 0, len(left))
			return err
		})
	}
}
