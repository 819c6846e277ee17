package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// testDeleteFullFolder: every account goes with what hangs on it, the feed
// tells of each, and the folder beside it keeps what it has.
func testDeleteFullFolder(t *testing.T, f *fixture) {
	f.world(t)
	want := &store.Deleted{Folders: []string{folderID}, ServiceAccounts: []string{robotID}, Keys: []string{keyID}}
	told := []store.Change{
		{Kind: store.ChangeResource, Key: folderID}, {Kind: store.ChangeResource, Key: robotID},
		{Kind: store.ChangeServiceAccount, Key: robotID}, {Kind: store.ChangeKey, Key: keyID},
	}
	f.update(t, func(tx *store.Tx) error {
		if err := all(store.InsertGroup(tx, &iam.Group{ID: "grp", OrganizationID: orgID, Name: "grp", CreatedAt: created}),
			store.InsertFolder(tx, folder("b1gkeep", cloudID, "keep")),
			store.InsertServiceAccount(tx, robot("ajekeep", "b1gkeep", "keep")), store.InsertKey(tx, key("ajekkeep", "ajekeep")),
			second(store.AddBinding(tx, "ajekeep", bind("viewer", "ajekeep")))); err != nil {
			return err
		}
		for i := range 5 {
			id, kid := fmt.Sprintf("ajea%d", i), fmt.Sprintf("ajek%d", i)
			err := all(store.InsertServiceAccount(tx, robot(id, folderID, id)), store.InsertKey(tx, key(kid, id)),
				second(store.AddBinding(tx, orgID, bind("viewer", iam.SubjectID(id)))),
				second(store.AddBinding(tx, id, bind("viewer", "someone"))),
				second(store.AddGroupMember(tx, "grp", iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount})),
				second(store.AddMember(tx, orgID, iam.SubjectID(id))))
			if err != nil {
				return err
			}
			want.ServiceAccounts, want.Keys = append(want.ServiceAccounts, id), append(want.Keys, kid)
			told = append(told, store.Change{Kind: store.ChangeResource, Key: id}, store.Change{Kind: store.ChangeServiceAccount, Key: id},
				store.Change{Kind: store.ChangeKey, Key: kid}, store.Change{Kind: store.ChangeGroups, Key: id}, store.Change{Kind: store.ChangeMember, Key: id},
				store.Change{Kind: store.ChangeBinding, Key: orgID + "/" + id}, store.Change{Kind: store.ChangeBinding, Key: id + "/someone"})
		}
		return nil
	})
	before := f.head(t)
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.DeleteFolder(tx, folderID)
		slices.Sort(want.ServiceAccounts)
		slices.Sort(want.Keys)
		same(t, "deleted", want, gone)
		return err
	})
	sorted := cmpopts.SortSlices(func(a, b store.Change) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
	if d := cmp.Diff(told, f.changes(t, before), sorted); d != "" {
		t.Errorf("feed (-want +got):\n%s", d)
	}
	f.view(t, func(tx *store.Tx) error {
		for _, id := range want.ServiceAccounts {
			_, err := store.Ancestors(tx, id)
			wantRefusal(t, err, iam.NotFound, "Resource "+id+" not found")
			_, err = store.GetServiceAccount(tx, id)
			wantRefusal(t, err, iam.NotFound, "Service account "+id+" not found")
			groups, err := store.GroupsOf(tx, iam.SubjectID(id))
			if len(groups) > 0 || err != nil {
				t.Errorf("%s is still in %v (%v)", id, groups, err)
			}
		}
		kept, err := store.ListBindings(tx, "ajekeep", iam.AccessBinding{}, 9)
		same(t, "kept binding", []iam.AccessBinding{bind("viewer", "ajekeep")}, kept)
		if err != nil {
			return err
		}
		_, err = store.GetKey(tx, "ajekkeep")
		return err
	})
}
