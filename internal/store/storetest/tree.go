package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var treeTests = []test{
	{"parent and ancestors", testAncestors},
	{"deleting a service account", testDeleteServiceAccount},
	{"deleting a folder", testDeleteFolder},
	{"deleting a folder with many accounts", testDeleteFullFolder},
	{"deleting a cloud", testDeleteCloud},
	{"ids are never used again", testTombstones},
}

func testAncestors(t *testing.T, f *fixture) {
	f.world(t)
	chain := []resource.Ref{
		{Kind: resource.ServiceAccount, ID: robotID}, {Kind: resource.Folder, ID: folderID},
		{Kind: resource.Cloud, ID: cloudID}, {Kind: resource.Organization, ID: orgID},
	}
	f.view(t, func(tx *store.Tx) error {
		for i, r := range chain {
			got, err := store.Ancestors(tx, r.ID)
			if err != nil {
				return err
			}
			same(t, "ancestors", chain[i:], got)
			self, parent, err := store.Resource(tx, r.ID)
			if err != nil {
				return err
			}
			same(t, "self", r, self)
			same(t, "parent", append(chain, resource.Ref{})[i+1], parent)
			organization, err := store.OrganizationOf(tx, r.ID)
			if err != nil {
				return err
			}
			same(t, "organization", orgID, organization)
		}
		_, err := store.Ancestors(tx, "none")
		wantRefusal(t, err, iam.NotFound, "Resource none not found")
		_, _, err = store.Resource(tx, keyID)
		wantRefusal(t, err, iam.NotFound, "Resource "+keyID+" not found")
		return nil
	})
}

func testDeleteServiceAccount(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertKey(tx, key("ajek2", robotID)),
			second(store.AddBinding(tx, orgID, bind("viewer", robotID))),
			second(store.AddBinding(tx, cloudID, bind("editor", robotID))),
			second(store.AddBinding(tx, cloudID, bind("editor", "someone"))),
			second(store.AddBinding(tx, robotID, bind("iam.serviceAccounts.user", "someone"))),
			store.InsertGroup(tx, &iam.Group{ID: "ajeg", OrganizationID: orgID, Name: "g"}),
			second(store.AddGroupMember(tx, "ajeg", iam.Subject{ID: robotID, Type: iam.TypeServiceAccount})),
			second(store.AddMember(tx, orgID, robotID)),
		)
	})
	before := f.head(t)
	var gone *store.Deleted
	f.update(t, func(tx *store.Tx) (err error) {
		gone, err = store.DeleteServiceAccount(tx, robotID)
		return err
	})
	same(t, "deleted", &store.Deleted{ServiceAccounts: []string{robotID}, Keys: []string{keyID, "ajek2"}}, gone)
	want := []store.Change{
		{Kind: store.ChangeResource, Key: robotID},
		{Kind: store.ChangeKey, Key: keyID}, {Kind: store.ChangeKey, Key: "ajek2"},
		{Kind: store.ChangeBinding, Key: store.BindingKey(orgID, robotID)},
		{Kind: store.ChangeBinding, Key: store.BindingKey(cloudID, robotID)},
		{Kind: store.ChangeBinding, Key: store.BindingKey(robotID, "someone")},
		{Kind: store.ChangeGroups, Key: robotID}, {Kind: store.ChangeMember, Key: robotID},
		{Kind: store.ChangeServiceAccount, Key: robotID},
	}
	sorted := cmpopts.SortSlices(func(a, b store.Change) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
	if d := cmp.Diff(want, f.changes(t, before), sorted); d != "" {
		t.Errorf("feed (-want +got):\n%s", d)
	}
	f.view(t, func(tx *store.Tx) error {
		_, err := store.GetServiceAccount(tx, robotID)
		wantRefusal(t, err, iam.NotFound, "Service account "+robotID+" not found")
		_, err = store.GetKey(tx, keyID)
		wantRefusal(t, err, iam.NotFound, "Key "+keyID+" not found")
		left, err := store.ListBindings(tx, cloudID, iam.AccessBinding{}, 9)
		same(t, "bindings left", []iam.AccessBinding{bind("editor", "someone")}, left)
		if err != nil {
			return err
		}
		groups, err := store.GroupsOf(tx, robotID)
		same(t, "groups", 0, len(groups))
		if err != nil {
			return err
		}
		organizations, err := store.OrganizationsOf(tx, robotID)
		same(t, "organizations", 0, len(organizations))
		return err
	})
	f.update(t, func(tx *store.Tx) error { // the name is free again
		return store.InsertServiceAccount(tx, robot("aje2", folderID, "deployer"))
	})
}

func testDeleteFolder(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertFolder(tx, folder("b1gkeep", cloudID, "keep")),
			second(store.AddBinding(tx, "b1gkeep", bind("viewer", robotID))),
			second(store.AddBinding(tx, "b1gkeep", bind("viewer", "someone"))),
			second(store.AddBinding(tx, folderID, bind("viewer", "someone"))),
		)
	})
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.DeleteFolder(tx, folderID)
		same(t, "deleted", &store.Deleted{Folders: []string{folderID}, ServiceAccounts: []string{robotID}, Keys: []string{keyID}}, gone)
		return err
	})
	f.view(t, func(tx *store.Tx) error {
		left, err := store.ListBindings(tx, "b1gkeep", iam.AccessBinding{}, 9)
		same(t, "bindings left", []iam.AccessBinding{bind("viewer", "someone")}, left)
		if err != nil {
			return err
		}
		left, err = store.ListBindings(tx, folderID, iam.AccessBinding{}, 9)
		same(t, "bindings on the deleted", 0, len(left))
		return err
	})
}

func testDeleteCloud(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertFolder(tx, folder("b1g2", cloudID, "db")),
			store.InsertServiceAccount(tx, robot("aje2", "b1g2", "other")),
			store.InsertKey(tx, key("ajek2", "aje2")),
			store.InsertCloud(tx, cloud("b1gkeep", orgID, "keep")),
			second(store.AddBinding(tx, orgID, bind("viewer", "aje2"))),
			second(store.AddBinding(tx, cloudID, bind("viewer", "someone"))),
		)
	})
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.DeleteCloud(tx, cloudID)
		same(t, "deleted", &store.Deleted{
			Clouds: []string{cloudID}, Folders: []string{folderID, "b1g2"},
			ServiceAccounts: []string{robotID, "aje2"}, Keys: []string{keyID, "ajek2"},
		}, gone)
		return err
	})
	f.view(t, func(tx *store.Tx) error {
		for _, id := range []string{cloudID, folderID, "b1g2", robotID, "aje2"} {
			_, err := store.Ancestors(tx, id)
			wantRefusal(t, err, iam.NotFound, "Resource "+id+" not found")
		}
		for _, subject := range []iam.SubjectID{"aje2", "someone"} {
			any, err := store.HasBindingIn(tx, orgID, []iam.SubjectID{subject})
			if any || err != nil {
				t.Errorf("%s still has a binding (%v)", subject, err)
			}
		}
		clouds, err := store.ListCloudsOf(tx, orgID, store.Page{Limit: 9})
		if len(clouds) != 1 || clouds[0].ID != "b1gkeep" {
			t.Errorf("clouds left: %v", clouds)
		}
		return err
	})
}

func testTombstones(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteCloud(tx, cloudID)) })
	for what, insert := range map[string]func(tx *store.Tx, id string) error{
		"cloud": func(tx *store.Tx, id string) error { return store.InsertCloud(tx, cloud(id, orgID, "x")) },
		"organization": func(tx *store.Tx, id string) error {
			return store.InsertOrganization(tx, organization(id, "x"))
		},
	} {
		for _, id := range []string{cloudID, folderID, robotID} {
			t.Run(what+" "+id, func(t *testing.T) {
				f.refuse(t, iam.AlreadyExists, "Id "+id+" is already used", func(tx *store.Tx) error { return insert(tx, id) })
			})
		}
	}
	f.refuse(t, iam.NotFound, "Resource "+folderID+" not found", func(tx *store.Tx) error {
		return second(store.AddBinding(tx, folderID, bind("viewer", "someone")))
	})
	f.refuse(t, iam.NotFound, "Resource "+folderID+" not found", func(tx *store.Tx) error {
		return store.LockResource(tx, folderID)
	})
}
