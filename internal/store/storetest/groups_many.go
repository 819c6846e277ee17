package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

func testManyMembers(t *testing.T, f *fixture) {
	f.world(t)
	const many = 70
	var subjects []iam.Subject
	var ids []iam.SubjectID
	f.update(t, func(tx *store.Tx) error {
		for i := range many {
			id := fmt.Sprintf("many%03d", i)
			subjects, ids = append(subjects, iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}), append(ids, iam.SubjectID(id))
			if err := store.InsertServiceAccount(tx, robot(id, folderID, id)); err != nil {
				return err
			}
		}
		return store.InsertGroup(tx, group("g", "g"))
	})
	members := func() (got []iam.Subject) {
		f.view(t, func(tx *store.Tx) (err error) {
			got, err = store.ListGroupMembers(tx, "g", "", 2*many)
			return err
		})
		return got
	}
	f.update(t, func(tx *store.Tx) error {
		found, err := store.OrganizationSubjects(tx, orgID, append(ids[:many:many], "never", cloudID))
		same(t, "found", many, len(found))
		return all(err, store.AddGroupMembers(tx, "g", subjects[:3]))
	})
	before := f.head(t)
	f.update(t, func(tx *store.Tx) error { return store.AddGroupMembers(tx, "g", subjects) })
	same(t, "told of", many-3, len(f.changes(t, before)))
	same(t, "members", subjects, members())
	before = f.head(t)
	f.update(t, func(tx *store.Tx) error { return store.RemoveGroupMembers(tx, "g", append(ids[1:many:many], "never")) })
	same(t, "told of", many-1, len(f.changes(t, before)))
	same(t, "who is left", subjects[:1], members())
	f.refuse(t, iam.NotFound, "Group nowhere not found", func(tx *store.Tx) error { return store.AddGroupMembers(tx, "nowhere", subjects) })
}

// testDeleteGroupOnce: of those who delete a group at once one has.
func testDeleteGroupOnce(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 5 {
		id := fmt.Sprint("g", round)
		f.update(t, func(tx *store.Tx) error { return store.InsertGroup(tx, group(id, id)) })
		wins := together(t, 4, iam.NotFound, func(int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error { return store.DeleteGroup(tx, id) })
		})
		same(t, "deletions", 1, wins)
	}
}

// testMakeBasicRace: a change of a group that has read it as external does not
// make it external again.
func testMakeBasicRace(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 5 {
		id := fmt.Sprint("g", round)
		f.update(t, func(tx *store.Tx) error {
			g := group(id, id)
			g.SubjectContainerID, g.ExternalID = orgID, id
			return store.InsertGroup(tx, g)
		})
		together(t, 2, iam.NotFound, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				if i == 0 {
					return second(store.MakeGroupsBasic(tx, orgID))
				}
				if err := store.LockResource(tx, id); err != nil {
					return err
				}
				g, err := store.GetGroup(tx, id)
				if err != nil {
					return err
				}
				time.Sleep(10 * time.Millisecond) // the other is under way, or waits
				g.Description = "changed"
				return store.UpdateGroup(tx, g)
			})
		})
		f.view(t, func(tx *store.Tx) error {
			g, err := store.GetGroup(tx, id)
			same(t, "container", "", g.SubjectContainerID)
			same(t, "description", "changed", g.Description)
			return err
		})
	}
}
