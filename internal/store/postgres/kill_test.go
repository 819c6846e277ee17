package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// TestServerKilled: the server ends in the middle of writes by two nodes, again
// and again. What was acknowledged is there after each start, nothing is
// half-done, the feed has no gap, and the nodes go on by themselves.
func TestServerKilled(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	s := pgtest.Own(t)
	dbs, _ := cluster(t, s, 2)
	var acknowledged sync.Map
	total := 0
	for round := range rounds {
		var wg sync.WaitGroup
		started := make(chan struct{}, 8)
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprintf("%d.%d.%d", round, w, i)
					if err := dbs[w%2].Update(context.Background(), func(tx *store.Tx) error { return writeAccount(tx, id) }); err != nil {
						if iam.KindOf(err) != iam.Unavailable {
							t.Errorf("%s: %v", id, err)
						}
						return
					}
					acknowledged.Store(id, true)
					if i == 0 {
						started <- struct{}{}
					}
				}
			})
		}
		<-started
		time.Sleep(time.Duration(50+rand.IntN(400)) * time.Millisecond)
		s.Stop()
		wg.Wait()
		begun := time.Now()
		err := dbs[0].View(t.Context(), func(tx *store.Tx) error { _, err := tx.Head(); return err })
		if iam.KindOf(err) != iam.Unavailable || time.Since(begun) > 2*time.Second {
			t.Errorf("a view without a server: %v after %v", err, time.Since(begun))
		}
		s.Start(t)
		was := total
		total = checkSurvivors(t, dbs[round%2], &acknowledged)
		t.Logf("round %d: %d acknowledged before the kill", round, total-was)
	}
	if total == 0 {
		t.Error("nothing was ever written: the test has tested nothing")
	}
}

// writeAccount makes an account with three keys and an operation.
func writeAccount(tx *store.Tx, id string) error {
	if err := insertAccount(id)(tx); err != nil {
		return err
	}
	for k := range 3 {
		if err := store.InsertKey(tx, &iam.Key{ID: fmt.Sprint(id, "/", k), ServiceAccountID: id, CreatedAt: tx.Now()}); err != nil {
			return err
		}
	}
	return store.InsertOperation(tx, &iam.Operation{ID: id, ResourceID: id, CreatedAt: tx.Now(), ModifiedAt: tx.Now(), Done: true})
}

func checkSurvivors(t *testing.T, db *store.DB, acknowledged *sync.Map) (total int) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *store.Tx) error {
		there := map[string]bool{}
		accounts, err := store.ListServiceAccounts(tx, "f", store.Page{Limit: 1_000_000})
		if err != nil {
			return err
		}
		for _, a := range accounts {
			there[a.ID] = true
			keys, err := store.ListKeys(tx, a.ID, store.Page{Limit: 9})
			if err != nil || len(keys) != 3 {
				t.Errorf("account %s has %d keys of 3 (%v)", a.ID, len(keys), err)
			}
			if _, err := store.GetOperation(tx, a.ID); err != nil {
				t.Errorf("account %s: %v", a.ID, err)
			}
		}
		acknowledged.Range(func(id, _ any) bool {
			total++
			if !there[id.(string)] {
				t.Errorf("account %s was acknowledged and is lost", id)
			}
			return true
		})
		head, err := tx.Head()
		if err != nil {
			return err
		}
		entries, err := store.ReadChanges(tx, 0, int(head))
		if len(entries) != int(head) || len(entries) != 1+len(accounts) {
			t.Errorf("%d entries up to position %d for %d accounts", len(entries), head, len(accounts))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return total
}

// TestConnectionsDie: connections that die in the pool, or under an update, are
// not the caller's trouble as long as the server is there.
func TestConnectionsDie(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 1)
	kill := func() error {
		return s.Ask("postgres", `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '`+database+`'`)
	}
	var wg sync.WaitGroup
	for range 6 { // several in the pool
		wg.Go(func() {
			_ = dbs[0].View(context.Background(), func(tx *store.Tx) error { _, err := tx.Head(); return err })
		})
	}
	wg.Wait()
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	if hasSetting(t, dbs[0], "a") {
		t.Error("a setting from nowhere")
	}
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	runs := 0
	if err := dbs[0].Update(t.Context(), func(tx *store.Tx) error {
		if runs++; runs == 2 {
			if err := kill(); err != nil {
				return err
			}
		}
		if err := store.SetSetting(tx, fmt.Sprint("run", runs), "x"); err != nil {
			return err
		}
		if runs == 1 {
			if err := kill(); err != nil {
				return err
			}
		}
		return insertAccount("a")(tx)
	}); err != nil {
		t.Fatal(err)
	}
	if runs != 2 || hasSetting(t, dbs[0], "run1") || !hasSetting(t, dbs[0], "run2") {
		t.Errorf("%d runs; the first has left something: %v", runs, hasSetting(t, dbs[0], "run1"))
	}
	err := dbs[0].View(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Head(); err != nil {
			return err
		}
		if err := kill(); err != nil {
			return err
		}
		_, err := tx.Head()
		return err
	})
	if iam.KindOf(err) != iam.Unavailable {
		t.Errorf("a snapshot that is gone: %v", err)
	}
}

// TestSession: what the engine promises does not hang on the defaults of the
// database.
func TestSession(t *testing.T) {
	s := pgtest.Shared(t)
	name := s.Database(t)
	if err := s.Ask("postgres", `ALTER DATABASE `+name+` SET synchronous_commit = off`, `ALTER DATABASE `+name+` SET statement_timeout = 3000`,
		`ALTER DATABASE `+name+` SET default_transaction_isolation = 'serializable'`, `ALTER DATABASE `+name+` SET client_encoding = 'LATIN1'`); err != nil {
		t.Fatal(err)
	}
	e, err := postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(s.URL(name)), StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	want := map[string]string{"synchronous_commit": "on", "statement_timeout": "20s", "idle_in_transaction_session_timeout": "15s",
		"transaction_isolation": "read committed", "transaction_read_only": "off", "client_encoding": "UTF8", "application_name": "propusk"}
	check := func(c store.Conn) error {
		for setting, value := range want {
			rows, err := c.Query(`SELECT current_setting($1)`, setting)
			if err != nil {
				return err
			}
			var got string
			rows.Next()
			if err := rows.Scan(&got); err != nil || got != value {
				t.Errorf("%s is %q (%v), want %q", setting, got, err, value)
			}
		}
		return nil
	}
	if err := e.Update(t.Context(), check); err != nil {
		t.Error(err)
	}
	want["transaction_isolation"], want["transaction_read_only"] = "repeatable read", "on"
	if err := e.View(t.Context(), check); err != nil {
		t.Error(err)
	}
}
