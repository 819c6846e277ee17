package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var groupTests = []test{
	{"rows", testGroups},
	{"members", testGroupMembers},
	{"many members at once", testManyMembers},
	{"external groups", testExternalGroups},
	{"deletion", testDeleteGroup},
	{"who can be in one", testOrganizationSubjects},
	{"deleted while bound and joined", testDeleteGroupRace},
	{"deleted once", testDeleteGroupOnce},
	{"made basic while changed", testMakeBasicRace},
}

func group(id, name string) *iam.Group {
	return &iam.Group{ID: id, OrganizationID: orgID, Name: name, CreatedAt: created}
}

func testGroups(t *testing.T, f *fixture) {
	f.world(t)
	want := &iam.Group{ID: "ajeg1", OrganizationID: orgID, Name: "Devs.1", Description: "d", Labels: map[string]string{"a": "b"}, CreatedAt: created}
	f.told(t, []store.Change{{Kind: store.ChangeResource, Key: "ajeg1"}}, func(tx *store.Tx) error { return store.InsertGroup(tx, want) })
	f.refuse(t, iam.AlreadyExists, "Group with name Devs.1 already exists in organization "+orgID, func(tx *store.Tx) error {
		return store.InsertGroup(tx, group("ajeg2", "Devs.1"))
	})
	f.refuse(t, iam.NotFound, "Organization "+cloudID+" not found", func(tx *store.Tx) error {
		return store.InsertGroup(tx, &iam.Group{ID: "ajeg2", OrganizationID: cloudID, Name: "x"})
	})
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertGroup(tx, group("ajeg0", "ops")), store.InsertOrganization(tx, organization("bpf2", "other")),
			store.InsertGroup(tx, &iam.Group{ID: "ajeg9", OrganizationID: "bpf2", Name: "Devs.1", CreatedAt: created}))
	})
	want.Name, want.Description, want.Labels = "devs", "", nil
	f.told(t, []store.Change{{Kind: store.ChangeDetails, Key: "ajeg1"}}, func(tx *store.Tx) error { return store.UpdateGroup(tx, want) })
	f.refuse(t, iam.AlreadyExists, "Group with name ops already exists in organization "+orgID, func(tx *store.Tx) error {
		return store.UpdateGroup(tx, &iam.Group{ID: "ajeg1", OrganizationID: orgID, Name: "ops"})
	})
	f.refuse(t, iam.NotFound, "Group none not found", func(tx *store.Tx) error { return store.UpdateGroup(tx, group("none", "none")) })
	f.view(t, func(tx *store.Tx) error {
		g, err := store.GetGroup(tx, "ajeg1")
		same(t, "group", want, g)
		path, e2 := store.Ancestors(tx, "ajeg1")
		same(t, "path", []resource.Ref{{Kind: resource.Group, ID: "ajeg1"}, {Kind: resource.Organization, ID: orgID}}, path)
		page, e3 := store.ListGroups(tx, orgID, store.Page{After: "ajeg0", Limit: 9})
		same(t, "page", []*iam.Group{want}, page)
		named, e4 := store.ListGroups(tx, orgID, store.Page{Limit: 9, Name: "ops"})
		same(t, "by name", []*iam.Group{group("ajeg0", "ops")}, named)
		return all(err, e2, e3, e4)
	})
}

func testGroupMembers(t *testing.T, f *fixture) {
	f.world(t)
	member := iam.Subject{ID: robotID, Type: iam.TypeServiceAccount}
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertGroup(tx, group("ajeg1", "devs")), store.InsertGroup(tx, group("ajeg0", "ops")))
	})
	told := []store.Change{{Kind: store.ChangeGroups, Key: robotID}}
	f.told(t, told, func(tx *store.Tx) error {
		return all(second(store.AddGroupMember(tx, "ajeg1", member)), second(store.AddGroupMember(tx, "ajeg0", member)))
	})
	f.told(t, nil, func(tx *store.Tx) error { return second(store.AddGroupMember(tx, "ajeg1", member)) })
	f.update(t, func(tx *store.Tx) error {
		return second(store.AddGroupMember(tx, "ajeg1", iam.Subject{ID: "alice", Type: iam.TypeUserAccount}))
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GroupsOf(tx, robotID)
		same(t, "groups", []iam.SubjectID{"ajeg0", "ajeg1"}, got)
		members, e2 := store.ListGroupMembers(tx, "ajeg1", "", 9)
		same(t, "members", []iam.Subject{member, {ID: "alice", Type: iam.TypeUserAccount}}, members)
		members, e3 := store.ListGroupMembers(tx, "ajeg1", robotID, 9)
		same(t, "members after the first", []iam.Subject{{ID: "alice", Type: iam.TypeUserAccount}}, members)
		page, e4 := store.ListGroupsOf(tx, robotID, "", store.Page{After: "ajeg0", Limit: 9})
		same(t, "groups of", []*iam.Group{group("ajeg1", "devs")}, page)
		page, e5 := store.ListGroupsOf(tx, robotID, "bpfother", store.Page{Limit: 9})
		same(t, "groups elsewhere", 0, len(page))
		return all(err, e2, e3, e4, e5)
	})
	f.told(t, told, func(tx *store.Tx) error { return second(store.RemoveGroupMember(tx, "ajeg1", robotID)) })
	f.told(t, nil, func(tx *store.Tx) error { return second(store.RemoveGroupMember(tx, "ajeg1", robotID)) })
	f.refuse(t, iam.NotFound, "Group none not found", func(tx *store.Tx) error { return second(store.AddGroupMember(tx, "none", member)) })
	f.refuse(t, iam.NotFound, "Group "+cloudID+" not found", func(tx *store.Tx) error { return second(store.AddGroupMember(tx, cloudID, member)) })
}

func testExternalGroups(t *testing.T, f *fixture) {
	f.world(t)
	external := func(id, container, foreign string) *iam.Group {
		g := group(id, id)
		g.SubjectContainerID, g.ExternalID = container, foreign
		return g
	}
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertGroup(tx, external("g1", "bfb1", "staff")), store.InsertGroup(tx, external("g2", "bfb1", "guests")),
			store.InsertGroup(tx, external("g3", "bfb2", "staff")), store.InsertGroup(tx, group("g4", "g4")), store.InsertGroup(tx, group("g5", "g5")))
	})
	taken := "Group with external id staff already exists in subject container bfb1"
	f.refuse(t, iam.AlreadyExists, taken, func(tx *store.Tx) error { return store.InsertGroup(tx, external("g6", "bfb1", "staff")) })
	f.refuse(t, iam.AlreadyExists, taken, func(tx *store.Tx) error { return store.UpdateGroup(tx, external("g4", "bfb1", "staff")) })
	f.update(t, func(tx *store.Tx) error { return store.UpdateGroup(tx, external("g4", "bfb1", "third")) })
	f.view(t, func(tx *store.Tx) error {
		g, err := store.GetExternalGroup(tx, "bfb1", "guests")
		same(t, "by external id", external("g2", "bfb1", "guests"), g)
		_, miss := store.GetExternalGroup(tx, "", "")
		wantRefusal(t, miss, iam.NotFound, "External group  not found")
		page, e2 := store.ListExternalGroups(tx, "bfb1", "", store.Page{After: "g1", Limit: 9})
		same(t, "page", []*iam.Group{external("g2", "bfb1", "guests"), external("g4", "bfb1", "third")}, page)
		page, e3 := store.ListExternalGroups(tx, "bfb1", "g2", store.Page{Limit: 9})
		same(t, "by id", []*iam.Group{external("g2", "bfb1", "guests")}, page)
		page, e4 := store.ListExternalGroups(tx, "", "", store.Page{Limit: 9})
		same(t, "of no container", 0, len(page))
		return all(err, e2, e3, e4)
	})
	f.update(t, func(tx *store.Tx) error {
		ids, err := store.MakeGroupsBasic(tx, "bfb1")
		less := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if d := cmp.Diff([]string{"g1", "g2", "g4"}, ids, less); d != "" {
			t.Error(d)
		}
		return err
	})
	f.view(t, func(tx *store.Tx) error {
		g, err := store.GetGroup(tx, "g1")
		same(t, "an ordinary group", group("g1", "g1"), g)
		_, e2 := store.GetExternalGroup(tx, "bfb2", "staff")
		return all(err, e2)
	})
}

func testDeleteGroup(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertGroup(tx, group("g", "g")), store.InsertGroup(tx, group("keep", "keep")),
			second(store.AddGroupMember(tx, "g", iam.Subject{ID: robotID, Type: iam.TypeServiceAccount})),
			second(store.AddGroupMember(tx, "keep", iam.Subject{ID: robotID, Type: iam.TypeServiceAccount})),
			second(store.AddBinding(tx, cloudID, bind("viewer", "g"))), second(store.AddBinding(tx, cloudID, bind("viewer", "keep"))),
			second(store.AddBinding(tx, "g", bind("viewer", "someone"))))
	})
	before := f.head(t)
	f.update(t, func(tx *store.Tx) error { return store.DeleteGroup(tx, "g") })
	want := []store.Change{{Kind: store.ChangeResource, Key: "g"}, {Kind: store.ChangeGroups, Key: robotID},
		{Kind: store.ChangeBinding, Key: cloudID + "/g"}, {Kind: store.ChangeBinding, Key: "g/someone"}}
	same(t, "feed", want, f.changes(t, before))
	f.view(t, func(tx *store.Tx) error {
		_, miss := store.GetGroup(tx, "g")
		wantRefusal(t, miss, iam.NotFound, "Group g not found")
		left, err := store.ListBindings(tx, cloudID, iam.AccessBinding{}, 9)
		same(t, "bindings", []iam.AccessBinding{bind("viewer", "keep")}, left)
		groups, e2 := store.GroupsOf(tx, robotID)
		same(t, "groups", []iam.SubjectID{"keep"}, groups)
		return all(err, e2)
	})
	f.refuse(t, iam.NotFound, "Group g not found", func(tx *store.Tx) error { return store.DeleteGroup(tx, "g") })
	f.update(t, func(tx *store.Tx) error { return store.InsertGroup(tx, group("g2", "g")) }) // the name is free
	f.refuse(t, iam.AlreadyExists, "Id g is already used", func(tx *store.Tx) error { return store.InsertGroup(tx, group("g", "again")) })
}

func testOrganizationSubjects(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertOrganization(tx, organization("bpf2", "other")), store.InsertCloud(tx, cloud("c2", "bpf2", "c2")),
			store.InsertFolder(tx, folder("f2", "c2", "f2")), store.InsertServiceAccount(tx, robot("stranger", "f2", "stranger")),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "alice", Login: "alice", CreatedAt: created}),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "bob", Login: "bob", CreatedAt: created}),
			second(store.AddMember(tx, orgID, "alice")), second(store.AddMember(tx, "bpf2", "bob")), store.InsertGroup(tx, group("g", "g")))
	})
	f.update(t, func(tx *store.Tx) error {
		got, err := store.OrganizationSubjects(tx, orgID, []iam.SubjectID{"stranger", robotID, "bob", "g", "alice", orgID, "nobody", robotID})
		same(t, "who can be in a group", map[iam.SubjectID]iam.Subject{robotID: {ID: robotID, Type: iam.TypeServiceAccount},
			"alice": {ID: "alice", Type: iam.TypeUserAccount}}, got)
		return err
	})
}

// testDeleteGroupRace: a group is deleted while others, who have seen it, bind
// it, bind somebody on it and put somebody into it. Nothing of that stays.
func testDeleteGroupRace(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		id := fmt.Sprint("g", round)
		f.update(t, func(tx *store.Tx) error { return store.InsertGroup(tx, group(id, id)) })
		together(t, 4, iam.NotFound, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				if i == 0 {
					return store.DeleteGroup(tx, id)
				}
				if _, err := store.GetGroup(tx, id); err != nil {
					return err
				}
				switch i {
				case 1:
					return second(store.AddBinding(tx, cloudID, bind("viewer", iam.SubjectID(id))))
				case 2:
					return second(store.AddBinding(tx, id, bind("viewer", robotID)))
				default:
					return second(store.AddGroupMember(tx, id, iam.Subject{ID: robotID, Type: iam.TypeServiceAccount}))
				}
			})
		})
		f.view(t, func(tx *store.Tx) error {
			roles, err := store.RolesOf(tx, cloudID, iam.SubjectID(id))
			same(t, "roles of a deleted group", 0, len(roles))
			left, e2 := store.ListBindings(tx, id, iam.AccessBinding{}, 9)
			same(t, "bindings on a deleted group", 0, len(left))
			groups, e3 := store.GroupsOf(tx, robotID)
			same(t, "deleted groups that somebody is in", 0, len(groups))
			return all(err, e2, e3)
		})
	}
}
