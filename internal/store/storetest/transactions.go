package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var transactionTests = []test{
	{"time", testTime},
	{"all or nothing", testAllOrNothing},
	{"a failed statement fails the transaction", testFailedStatement},
	{"a view is one snapshot", testSnapshot},
	{"a view cannot write", testViewIsReadOnly},
	{"a transaction ends", testUseAfterEnd},
	{"open rows and nested queries", testEngineRows},
}

func testTime(t *testing.T, f *fixture) {
	f.update(t, func(tx *store.Tx) error {
		same(t, "now", created, tx.Now())
		f.advance(time.Second)
		same(t, "still", created, tx.Now())
		return nil
	})
	f.view(t, func(tx *store.Tx) error {
		same(t, "later", created.Add(time.Second), tx.Now())
		return nil
	})
}

func testAllOrNothing(t *testing.T, f *fixture) {
	f.world(t)
	before := f.head(t)
	err := f.db.Update(t.Context(), func(tx *store.Tx) error {
		store.InsertRevocation(tx, 1, "x", created)
		return all(store.InsertFolder(tx, folder("b1g2", cloudID, "db")), second(store.DeleteServiceAccount(tx, robotID)), errAbandon)
	})
	if !errors.Is(err, errAbandon) {
		t.Fatal(err)
	}
	same(t, "head", before, f.head(t))
	f.view(t, func(tx *store.Tx) error {
		_, err := store.GetFolder(tx, "b1g2")
		wantRefusal(t, err, iam.NotFound, "Folder b1g2 not found")
		left, err := store.ListRevocations(tx, 0)
		same(t, "revocations", 0, len(left))
		return all(err, second(store.GetServiceAccount(tx, robotID)), second(store.GetKey(tx, keyID)))
	})
}

func testFailedStatement(t *testing.T, f *fixture) {
	f.world(t)
	f.refuse(t, iam.AlreadyExists, "Folder with name web already exists in cloud "+cloudID, func(tx *store.Tx) error {
		return store.InsertFolder(tx, folder("b1g2", cloudID, "web"))
	})
	err := f.db.Update(t.Context(), func(tx *store.Tx) error {
		_ = store.InsertFolder(tx, folder("b1g2", cloudID, "web")) // half of it was done
		return nil
	})
	if err == nil {
		t.Fatal("a transaction with a failed statement was committed")
	}
	err = f.db.Update(t.Context(), func(tx *store.Tx) error {
		_ = store.InsertFolder(tx, folder("b1g2", cloudID, "web"))
		return store.InsertFolder(tx, folder("b1g3", cloudID, "other"))
	})
	if err == nil {
		t.Fatal("a transaction went on after a failed statement")
	}
	f.view(t, func(tx *store.Tx) error {
		_, _, err := store.Resource(tx, "b1g2")
		wantRefusal(t, err, iam.NotFound, "Resource b1g2 not found")
		return nil
	})
	f.update(t, func(tx *store.Tx) error { // a miss is an answer, not a failure
		_, err := store.GetFolder(tx, "none")
		wantRefusal(t, err, iam.NotFound, "Folder none not found")
		return store.InsertFolder(tx, folder("b1g3", cloudID, "other"))
	})
}

func testSnapshot(t *testing.T, f *fixture) {
	f.world(t)
	f.view(t, func(tx *store.Tx) error {
		before, err := tx.Head()
		if err != nil {
			return err
		}
		f.update(t, func(tx *store.Tx) error {
			return all(store.UpdateCloud(tx, cloud(cloudID, orgID, "renamed")), second(store.DeleteFolder(tx, folderID)))
		})
		c, err := store.GetCloud(tx, cloudID)
		if err != nil {
			return err
		}
		same(t, "name in the snapshot", "prod", c.Name)
		if _, err := store.GetFolder(tx, folderID); err != nil {
			return err
		}
		after, err := tx.Head()
		same(t, "head in the snapshot", before, after)
		return err
	})
	f.view(t, func(tx *store.Tx) error {
		c, err := store.GetCloud(tx, cloudID)
		same(t, "name now", "renamed", c.Name)
		return err
	})
}

func testViewIsReadOnly(t *testing.T, f *fixture) {
	f.world(t)
	err := f.db.View(t.Context(), func(tx *store.Tx) error {
		return store.UpdateCloud(tx, cloud(cloudID, orgID, "renamed"))
	})
	if err == nil {
		t.Error("a view has written")
	}
	err = f.engine.View(t.Context(), func(c store.Conn) error {
		_, err := c.Exec(`DELETE FROM authorized_keys`)
		return err
	})
	if err == nil {
		t.Error("the engine let a view write")
	}
	f.view(t, func(tx *store.Tx) error { return second(store.GetKey(tx, keyID)) })
}

func testUseAfterEnd(t *testing.T, f *fixture) {
	var kept *store.Tx
	f.update(t, func(tx *store.Tx) error { kept = tx; return nil })
	if _, err := kept.Head(); err == nil {
		t.Error("a transaction can be read after its end")
	}
	if err := store.SetSetting(kept, "a", "b"); err == nil {
		t.Error("a transaction can be written after its end")
	}
}

// testEngineRows holds the engine to its contract where the store's own
// functions are tidier than they must be.
func testEngineRows(t *testing.T, f *fixture) {
	f.world(t)
	const query = `SELECT id FROM resources WHERE id >= $1 ORDER BY id`
	leaveOpen := func(c store.Conn) error {
		outer, err := c.Query(query, "")
		if err != nil {
			return err
		}
		count := 0
		for outer.Next() {
			inner, err := c.Query(query, "") // the same text while the first is being read
			if err != nil {
				return err
			}
			for inner.Next() {
				count++
			}
			if count%2 == 0 {
				if err := inner.Close(); err != nil {
					return err
				}
			}
		}
		same(t, "rows", 16, count)
		return outer.Err() // and left open
	}
	for range 3 {
		if err := f.engine.View(t.Context(), leaveOpen); err != nil {
			t.Fatal(err)
		}
		if err := f.engine.Update(t.Context(), leaveOpen); err != nil {
			t.Fatal(err)
		}
	}
	err := f.engine.Update(t.Context(), func(c store.Conn) error {
		_, err := c.Exec(`INSERT INTO settings (name, value) VALUES ($2, $1), ($3, $1)`, "v", "a", "a")
		return err
	})
	if !f.engine.IsUnique(err) {
		t.Errorf("a violated primary key: %v", err)
	}
	err = f.engine.Update(t.Context(), func(c store.Conn) error {
		_, err := c.Exec(`INSERT INTO settings (name, value) VALUES ($1, $2)`, "a", nil)
		return err
	})
	if err == nil || f.engine.IsUnique(err) {
		t.Errorf("NULL in a NOT NULL column: %v", err)
	}
}
