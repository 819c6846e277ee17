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

var registeredTests = []test{
	{"a resource of another service", testRegistered},
	{"resources below each other", testRegisteredBelow},
	{"a folder takes its resources along", testRegisteredFolder},
	{"registered while the folder goes", testRegisterWhileDeleting},
}

const databaseID, tableID, gizmoID = "database1", "table1", "gizmo"

func database(tx *store.Tx) *iam.RegisteredResource {
	return &iam.RegisteredResource{ID: databaseID, Type: "ydb.database", ParentID: folderID, Name: "db",
		Description: "d", Labels: map[string]string{"a": "b"}, CreatedAt: tx.Now()}
}

func testRegistered(t *testing.T, f *fixture) {
	f.world(t)
	var want *iam.RegisteredResource
	f.update(t, func(tx *store.Tx) error {
		want = database(tx)
		return all(store.InsertRegistered(tx, want),
			store.InsertRegistered(tx, &iam.RegisteredResource{ID: gizmoID, Type: "iam.gizmo", CreatedAt: tx.Now()}))
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetRegistered(tx, databaseID)
		if err != nil {
			return err
		}
		same(t, "resource", want, got)
		path, err := store.Ancestors(tx, databaseID)
		if err != nil {
			return err
		}
		same(t, "path", resource.Ref{Kind: "ydb.database", ID: databaseID}, path[0])
		same(t, "parent", resource.Ref{Kind: resource.Folder, ID: folderID}, path[1])
		if path, err = store.Ancestors(tx, gizmoID); err != nil {
			return err
		}
		same(t, "a root's path", []resource.Ref{{Kind: "iam.gizmo", ID: gizmoID}}, path)
		listed, err := store.ListRegistered(tx, folderID, store.Page{Limit: 10})
		same(t, "list", []*iam.RegisteredResource{want}, listed)
		_, missing := store.GetRegistered(tx, folderID)
		wantRefusal(t, missing, iam.NotFound, "Resource "+folderID+" not found")
		return err
	})
	f.update(t, func(tx *store.Tx) error {
		want.Name, want.Description, want.Labels = "other", "", nil
		return store.UpdateRegistered(tx, want)
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetRegistered(tx, databaseID)
		same(t, "updated", want, got)
		return err
	})
	f.refuse(t, iam.AlreadyExists, "Id "+databaseID+" is already used", func(tx *store.Tx) error {
		return store.InsertRegistered(tx, database(tx))
	})
	f.refuse(t, iam.NotFound, "Resource none not found", func(tx *store.Tx) error {
		r := database(tx)
		r.ID, r.ParentID = "another", "none"
		return store.InsertRegistered(tx, r)
	})
}

func testRegisteredBelow(t *testing.T, f *fixture) {
	f.world(t)
	robot := iam.Subject{ID: robotID, Type: iam.TypeServiceAccount}
	f.update(t, func(tx *store.Tx) error {
		if err := all(store.InsertRegistered(tx, database(tx)),
			store.InsertRegistered(tx, &iam.RegisteredResource{ID: tableID, Type: "ydb.table", ParentID: databaseID, CreatedAt: tx.Now()})); err != nil {
			return err
		}
		_, err := store.AddBinding(tx, tableID, iam.AccessBinding{Role: "viewer", Subject: robot})
		return err
	})
	before := f.head(t)
	f.update(t, func(tx *store.Tx) error { return store.DeleteRegistered(tx, databaseID) })
	sorted := cmpopts.SortSlices(func(a, b store.Change) bool {
		return a.Kind+"/"+store.ChangeKind(a.Key) < b.Kind+"/"+store.ChangeKind(b.Key)
	})
	want := []store.Change{{Kind: store.ChangeResource, Key: databaseID}, {Kind: store.ChangeResource, Key: tableID},
		{Kind: store.ChangeBinding, Key: store.BindingKey(tableID, robotID)}}
	if d := cmp.Diff(want, f.changes(t, before), sorted); d != "" {
		t.Errorf("feed:\n%s", d)
	}
	f.view(t, func(tx *store.Tx) error {
		for _, id := range []string{databaseID, tableID} {
			_, err := store.Ancestors(tx, id)
			wantRefusal(t, err, iam.NotFound, "Resource "+id+" not found")
		}
		roles, err := store.RolesOf(tx, tableID, robotID)
		same(t, "roles left", 0, len(roles))
		return err
	})
	f.refuse(t, iam.AlreadyExists, "Id "+databaseID+" is already used", func(tx *store.Tx) error {
		return store.InsertRegistered(tx, database(tx))
	})
}

// testRegisterWhileDeleting: whatever wins, nothing is left in what is gone.
func testRegisterWhileDeleting(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		gone, db := fmt.Sprintf("folder%d", round), fmt.Sprintf("db%d", round)
		f.update(t, func(tx *store.Tx) error {
			r := database(tx)
			r.ID, r.ParentID = db, gone
			return all(store.InsertFolder(tx, folder(gone, cloudID, gone)), store.InsertRegistered(tx, r))
		})
		table := func(i int) string { return fmt.Sprintf("t%d.%d", round, i) }
		together(t, 4, iam.NotFound, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				switch i {
				case 0:
					_, err := store.DeleteFolder(tx, gone)
					return err
				case 1:
					return store.DeleteRegistered(tx, db)
				}
				return store.InsertRegistered(tx, &iam.RegisteredResource{ID: table(i), Type: "ydb.table", ParentID: db, CreatedAt: tx.Now()})
			})
		})
		f.view(t, func(tx *store.Tx) error {
			for _, id := range []string{db, table(2), table(3)} {
				if _, err := store.Ancestors(tx, id); iam.KindOf(err) != iam.NotFound {
					t.Errorf("%s is left in the tree: %v", id, err)
				}
				if _, err := store.GetRegistered(tx, id); iam.KindOf(err) != iam.NotFound {
					t.Errorf("%s is left registered: %v", id, err)
				}
			}
			return nil
		})
	}
}

func testRegisteredFolder(t *testing.T, f *fixture) {
	f.world(t)
	robot := iam.Subject{ID: robotID, Type: iam.TypeServiceAccount}
	f.update(t, func(tx *store.Tx) error {
		if err := all(store.InsertRegistered(tx, database(tx)),
			store.InsertRegistered(tx, &iam.RegisteredResource{ID: tableID, Type: "ydb.table", ParentID: databaseID, CreatedAt: tx.Now()})); err != nil {
			return err
		}
		_, err := store.AddBinding(tx, databaseID, iam.AccessBinding{Role: "viewer", Subject: robot})
		return err
	})
	f.update(t, func(tx *store.Tx) error {
		_, err := store.DeleteFolder(tx, folderID)
		return err
	})
	f.view(t, func(tx *store.Tx) error {
		for _, id := range []string{databaseID, tableID} {
			_, err := store.Ancestors(tx, id)
			wantRefusal(t, err, iam.NotFound, "Resource "+id+" not found")
			if _, err := store.GetRegistered(tx, id); err == nil {
				t.Errorf("%s is still registered", id)
			}
		}
		return nil
	})
}
