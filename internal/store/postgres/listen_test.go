package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// listening is an engine that listens until the test ends.
func listening(t *testing.T, url string) (*store.DB, chan struct{}) {
	t.Helper()
	e := open(t, url)
	woken := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); e.Listen(ctx, func() { woken <- struct{}{} }) }()
	db := store.New(e, store.Options{})
	t.Cleanup(func() {
		cancel()
		<-done
		_ = db.Close()
	})
	return db, woken
}

func expectWake(t *testing.T, woken chan struct{}, why string) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(10 * time.Second):
		t.Fatalf("not woken: %s", why)
	}
}

func expectSilence(t *testing.T, woken chan struct{}, why string) {
	t.Helper()
	select {
	case <-woken:
		t.Errorf("woken by %s", why)
	case <-time.After(200 * time.Millisecond):
	}
}

// TestListen: what another has committed wakes; what it has taken back or what
// the feed does not tell of, and one's own, does not. A lost line is made anew.
func TestListen(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 1)
	db, woken := listening(t, s.URL(database))
	expectWake(t, woken, "the line was made")

	update := func(db *store.DB, fn func(tx *store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(dbs[0], insertFolder("g"))
	expectWake(t, woken, "another engine's commit")
	update(db, insertFolder("h"))
	expectSilence(t, woken, "one's own commit")
	update(dbs[0], func(tx *store.Tx) error { return store.SetSetting(tx, "a", "b") })
	expectSilence(t, woken, "a commit of which the feed does not tell")
	failed := errors.New("failed")
	if err := dbs[0].Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(insertFolder("i")(tx), failed)
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	expectSilence(t, woken, "what was taken back")

	if err := s.Ask("postgres", `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query = 'LISTEN propusk_feed' AND datname = '`+database+`'`); err != nil {
		t.Fatal(err)
	}
	expectWake(t, woken, "the line was made anew")
	update(dbs[0], insertFolder("j"))
	expectWake(t, woken, "another engine's commit, on the new line")
}
