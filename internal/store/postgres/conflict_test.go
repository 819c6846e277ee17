package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// TestDeadlock: two updates that lock two rows in opposite orders both succeed.
func TestDeadlock(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 2)
	var runs atomic.Int64
	var wg, both sync.WaitGroup
	both.Add(2)
	for i, order := range [][]string{{"c", "f"}, {"f", "c"}} {
		wg.Go(func() {
			first := true
			if err := dbs[i].Update(context.Background(), func(tx *store.Tx) error {
				runs.Add(1)
				if err := store.LockResource(tx, order[0]); err != nil {
					return err
				}
				if first {
					first = false
					both.Done()
					both.Wait()
				}
				if err := store.LockResource(tx, order[1]); err != nil {
					return err
				}
				return insertAccount(fmt.Sprint("a", i))(tx)
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if runs.Load() < 3 { // the one that lost runs again, and may lose again
		t.Errorf("%d runs: there was no deadlock, and the test has tested nothing", runs.Load())
	}
	expectAccounts(t, dbs[0], 2)
}

func expectAccounts(t *testing.T, db *store.DB, want int) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *store.Tx) error {
		got, err := store.ListServiceAccounts(tx, "f", store.Page{Limit: 1000})
		if len(got) != want {
			t.Errorf("%d accounts, want %d", len(got), want)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestEndlessConflict: runs are bounded, and an error that a function has made
// light of counts as well.
func TestEndlessConflict(t *testing.T) {
	s := pgtest.Shared(t)
	e := open(t, s.URL(s.Database(t)))
	defer e.Close()
	for code, want := range map[string]struct {
		runs int
		kind iam.Kind
	}{"40001": {12, iam.Unavailable}, "40P01": {12, iam.Unavailable}, "23503": {4, iam.Internal}, "22012": {1, iam.Internal}, "53100": {1, iam.Unavailable}} {
		runs := 0
		err := e.Update(t.Context(), func(c store.Conn) error {
			runs++
			_, err := c.Exec(`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '` + code + `'; END $$`)
			if runs%2 == 0 {
				return nil
			}
			return err
		})
		if runs != want.runs || iam.KindOf(err) != want.kind || err == nil {
			t.Errorf("%s: %d runs, %v", code, runs, err)
		}
	}
}

// TestCountOnTwoNodes: who locks the parent before counting never goes over.
func TestCountOnTwoNodes(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 2)
	const most = 5
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := dbs[i%2].Update(context.Background(), func(tx *store.Tx) error {
				if err := store.LockResource(tx, "f"); err != nil {
					return err
				}
				there, err := store.ListServiceAccounts(tx, "f", store.Page{Limit: most})
				if err != nil || len(there) == most {
					return errors.Join(errFull, err)
				}
				return insertAccount(fmt.Sprint("a", i))(tx)
			})
			if err != nil && !errors.Is(err, errFull) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	expectAccounts(t, dbs[0], most)
}

var errFull = errors.New("full")

// TestKeyOfDeletedAccount: keys are added without a lock on their account.
// Whichever of the two comes first, no key is left of a deleted account and
// nobody is shown a foreign key.
func TestKeyOfDeletedAccount(t *testing.T) {
	dbs, database := cluster(t, pgtest.Shared(t), 2)
	for round := range 30 {
		id := fmt.Sprint("a", round)
		if err := dbs[0].Update(t.Context(), insertAccount(id)); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				key := fmt.Sprintf("%s-%d", id, i)
				err := dbs[i%2].Update(context.Background(), func(tx *store.Tx) error {
					switch i % 3 {
					case 0:
						return store.InsertAPIKey(tx, &iam.APIKey{ID: key, ServiceAccountID: id, Scopes: []string{"s"}, Lookup: key, Hash: []byte(key)})
					case 1:
						return store.InsertAccessKey(tx, &iam.AccessKey{ID: key, ServiceAccountID: id, KeyID: key}, []byte(key))
					}
					return store.InsertKey(tx, &iam.Key{ID: key, ServiceAccountID: id, CreatedAt: tx.Now()})
				})
				if err != nil && iam.KindOf(err) != iam.NotFound {
					t.Errorf("insert: %v", err)
				}
			})
		}
		wg.Go(func() {
			time.Sleep(time.Duration(round%6) * time.Millisecond / 2)
			if err := dbs[1].Update(context.Background(), func(tx *store.Tx) error {
				_, err := store.DeleteServiceAccount(tx, id)
				return err
			}); err != nil {
				t.Errorf("delete: %v", err)
			}
		})
		wg.Wait()
	}
	for _, table := range []string{"authorized_keys", "api_keys", "access_keys"} {
		if err := pgtest.Shared(t).Ask(database, `DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM `+table+`); END $$`); err != nil {
			t.Errorf("%s: %v", table, err)
		}
	}
}

// TestContextEndsInAWait: an update that waits for a lock ends with its
// context, at once and without a trace, and holds nobody up.
func TestContextEndsInAWait(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 1)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error)
	if err := dbs[0].Update(t.Context(), func(tx *store.Tx) error {
		if err := store.LockResource(tx, "f"); err != nil {
			return err
		}
		go func() {
			outcome <- dbs[0].Update(ctx, func(tx *store.Tx) error {
				if err := store.SetSetting(tx, "half", "done"); err != nil {
					return err
				}
				return insertAccount("a")(tx)
			})
		}()
		time.Sleep(100 * time.Millisecond) // let it come to the lock
		cancel()
		select {
		case err := <-outcome:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("it goes on waiting")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if hasSetting(t, dbs[0], "half") {
		t.Error("half of the update is there")
	}
	expectAccounts(t, dbs[0], 0)
	if err := dbs[0].Update(t.Context(), insertAccount("a")); err != nil {
		t.Error(err)
	}
}

func TestStatementTimeout(t *testing.T) {
	s := pgtest.Shared(t)
	e, err := postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(s.URL(s.Database(t))), StatementTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	sleep := func(c store.Conn) error {
		_, err := c.Query(`SELECT 'x' FROM pg_sleep(60)`)
		return err
	}
	for what, run := range map[string]func(context.Context, func(store.Conn) error) error{"view": e.View, "update": e.Update} {
		if err := run(t.Context(), sleep); iam.KindOf(err) != iam.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}
