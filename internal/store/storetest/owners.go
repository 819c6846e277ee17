package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var ownerTests = []test{
	{"an owner stays, whatever goes", testLastOwner},
	{"handed over in one update", testOwnerHandedOver},
	{"what goes with its owner needs none", testOwnedGoesToo},
	{"the last of two stays", testLastOwnerRace},
	{"what a subject owns", testOwned},
}

// testLastOwner: every way to take the last owner off something is refused and
// leaves all as it was; with a second owner it works.
func testLastOwner(t *testing.T, f *fixture) {
	f.world(t)
	type ids struct{ owned, cloud, folder, account, group string }
	remove := func(owner func(ids) string) func(*store.Tx, ids, iam.RoleID) error {
		return func(tx *store.Tx, i ids, role iam.RoleID) error {
			return second(store.RemoveBinding(tx, i.owned, bind(role, iam.SubjectID(owner(i)))))
		}
	}
	account, group := func(i ids) string { return i.account }, func(i ids) string { return i.group }
	ways := []struct {
		what  string
		owner func(ids) string
		take  func(*store.Tx, ids, iam.RoleID) error
	}{
		{"the binding is removed", account, remove(account)},
		{"the group's binding is removed", group, remove(group)},
		{"the account is deleted", account, func(tx *store.Tx, i ids, _ iam.RoleID) error {
			return second(store.DeleteServiceAccount(tx, i.account))
		}},
		{"its folder is deleted", account, func(tx *store.Tx, i ids, _ iam.RoleID) error { return second(store.DeleteFolder(tx, i.folder)) }},
		{"its cloud is deleted", account, func(tx *store.Tx, i ids, _ iam.RoleID) error { return second(store.DeleteCloud(tx, i.cloud)) }},
		{"the group is deleted", group, func(tx *store.Tx, i ids, _ iam.RoleID) error { return store.DeleteGroup(tx, i.group) }},
	}
	for n, way := range ways {
		for thing, role := range map[string]iam.RoleID{"Cloud": iam.CloudOwner, "Organization": iam.OrganizationOwner} {
			t.Run(thing+": "+way.what, func(t *testing.T) {
				name := fmt.Sprintf("%s%d", thing[:1], n)
				i := ids{"owned" + name, "cloud" + name, "folder" + name, "account" + name, "group" + name}
				f.update(t, func(tx *store.Tx) error {
					insert := func() error { return store.InsertOrganization(tx, organization(i.owned, i.owned)) }
					if thing == "Cloud" {
						insert = func() error { return store.InsertCloud(tx, cloud(i.owned, orgID, i.owned)) }
					}
					return all(insert(), store.InsertCloud(tx, cloud(i.cloud, orgID, i.cloud)), store.InsertFolder(tx, folder(i.folder, i.cloud, i.folder)),
						store.InsertServiceAccount(tx, robot(i.account, i.folder, i.account)),
						store.InsertGroup(tx, &iam.Group{ID: i.group, OrganizationID: orgID, Name: i.group, CreatedAt: created}),
						second(store.AddBinding(tx, i.owned, bind(role, iam.SubjectID(way.owner(i))))))
				})
				before := f.head(t)
				f.refuse(t, iam.FailedPrecondition, fmt.Sprintf("%s %s must keep at least one %s", thing, i.owned, role),
					func(tx *store.Tx) error { return way.take(tx, i, role) })
				same(t, "head", before, f.head(t))
				f.update(t, func(tx *store.Tx) error { return second(store.AddBinding(tx, i.owned, bind(role, "second"))) })
				f.update(t, func(tx *store.Tx) error { return way.take(tx, i, role) })
			})
		}
	}
}

func testOwnerHandedOver(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error { return second(store.AddBinding(tx, cloudID, bind(iam.CloudOwner, robotID))) })
	f.update(t, func(tx *store.Tx) error {
		return all(second(store.RemoveBinding(tx, cloudID, bind(iam.CloudOwner, robotID))), second(store.AddBinding(tx, cloudID, bind(iam.CloudOwner, "heir"))))
	})
	// An owner of something else is no owner here.
	f.update(t, func(tx *store.Tx) error {
		return second(store.AddBinding(tx, orgID, bind(iam.OrganizationOwner, "boss")))
	})
	f.refuse(t, iam.FailedPrecondition, "Cloud "+cloudID+" must keep at least one "+string(iam.CloudOwner), func(tx *store.Tx) error {
		return second(store.RemoveBinding(tx, cloudID, bind(iam.CloudOwner, "heir")))
	})
	// Other roles come and go.
	f.update(t, func(tx *store.Tx) error {
		return all(second(store.AddBinding(tx, cloudID, bind("viewer", "heir"))), second(store.RemoveBinding(tx, cloudID, bind("viewer", "heir"))))
	})
}

func testOwnedGoesToo(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(second(store.AddBinding(tx, cloudID, bind(iam.CloudOwner, robotID))), second(store.AddBinding(tx, orgID, bind(iam.OrganizationOwner, "boss"))))
	})
	f.refuse(t, iam.FailedPrecondition, "Cloud "+cloudID+" must keep at least one "+string(iam.CloudOwner), func(tx *store.Tx) error {
		return second(store.DeleteFolder(tx, folderID))
	})
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteCloud(tx, cloudID)) })
}

// testLastOwnerRace: two owners leave at once, each in another way.
func testLastOwnerRace(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		ids := [2]string{fmt.Sprintf("ajea%d", round), fmt.Sprintf("ajeg%d", round)}
		id := fmt.Sprintf("b1gc%d", round)
		f.update(t, func(tx *store.Tx) error {
			return all(store.InsertCloud(tx, cloud(id, orgID, id)), store.InsertServiceAccount(tx, robot(ids[0], folderID, ids[0])),
				store.InsertGroup(tx, &iam.Group{ID: ids[1], OrganizationID: orgID, Name: ids[1], CreatedAt: created}),
				second(store.AddBinding(tx, id, bind(iam.CloudOwner, iam.SubjectID(ids[0])))), second(store.AddBinding(tx, id, bind(iam.CloudOwner, iam.SubjectID(ids[1])))))
		})
		wins := together(t, 2, iam.FailedPrecondition, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				switch {
				case round%3 == 0:
					return second(store.RemoveBinding(tx, id, bind(iam.CloudOwner, iam.SubjectID(ids[i]))))
				case i == 0:
					return second(store.DeleteServiceAccount(tx, ids[0]))
				default:
					return store.DeleteGroup(tx, ids[1])
				}
			})
		})
		same(t, "left", 1, wins)
	}
}

func testOwned(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertOrganization(tx, organization("elsewhere", "elsewhere")), store.InsertCloud(tx, cloud("c1", orgID, "c1")),
			second(store.AddBinding(tx, "c1", bind(iam.CloudOwner, "who"))), second(store.AddBinding(tx, "c1", bind("admin", "who"))),
			second(store.AddBinding(tx, orgID, bind(iam.OrganizationOwner, "who"))), second(store.AddBinding(tx, "elsewhere", bind(iam.OrganizationOwner, "who"))),
			second(store.AddBinding(tx, "elsewhere", bind(iam.OrganizationOwner, "another"))),
			store.InsertCloud(tx, cloud("c2", orgID, "c2")), store.InsertGroup(tx, group("g", "g")),
			second(store.AddGroupMember(tx, "g", iam.Subject{ID: "who", Type: iam.TypeUserAccount})),
			second(store.AddBinding(tx, "c1", bind(iam.CloudOwner, "g"))), second(store.AddBinding(tx, "c2", bind(iam.CloudOwner, "g"))))
	})
	here := []store.Ownership{{ResourceID: orgID, Role: iam.OrganizationOwner}, {ResourceID: "c1", Role: iam.CloudOwner}, {ResourceID: "c2", Role: iam.CloudOwner}}
	for organizationID, want := range map[string][]store.Ownership{orgID: here, "never": nil,
		"": {here[0], here[1], here[2], {ResourceID: "elsewhere", Role: iam.OrganizationOwner}}} {
		f.view(t, func(tx *store.Tx) error {
			got, err := store.Owned(tx, organizationID, "who")
			same(t, "in "+organizationID, want, got)
			return err
		})
	}
}
