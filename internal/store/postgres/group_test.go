package postgres_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/token"
)

// crowd runs updates while the feed is held, so that most of them have to share
// transactions when it is let go, and waits for all.
func crowd(t *testing.T, url string, size int, update func(i int)) {
	t.Helper()
	release := pgtest.Hold(t, url, `SELECT seq FROM feed_head FOR UPDATE`)
	var all sync.WaitGroup
	for i := range size {
		all.Go(func() { update(i) })
	}
	time.Sleep(200 * time.Millisecond)
	release()
	all.Wait()
}

// TestGroup: updates that share transactions succeed, fail, panic and are given
// up each for itself.
func TestGroup(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 1)
	const size = 60
	_, commits := listening(t, s.URL(database))
	expectWake(t, commits, "the line was made")
	entered := 0
	own := errors.New("own")
	gone, leave := context.WithCancel(t.Context())
	want := map[string]bool{}
	var mu sync.Mutex
	crowd(t, s.URL(database), size, func(i int) {
		id := fmt.Sprintf("a%02d", i)
		ctx := context.Background()
		defer func() {
			if p := recover(); p != nil && p != "boom" {
				t.Errorf("%s: panic: %v", id, p)
			}
		}()
		if i%6 == 4 {
			ctx = gone
		}
		err := dbs[0].Update(ctx, func(tx *store.Tx) error {
			if err := insertAccount(id)(tx); err != nil {
				return err
			}
			switch i % 6 {
			case 1:
				return own
			case 2:
				panic("boom")
			case 3:
				return insertAccount(id)(tx) // the name is taken, and the transaction broken
			case 4:
				leave()
			}
			return nil
		})
		switch {
		case i%6 == 1 && errors.Is(err, own), i%6 == 3 && iam.KindOf(err) == iam.AlreadyExists, i%6 == 4 && errors.Is(err, context.Canceled):
		case (i%6 == 0 || i%6 == 4 || i%6 == 5) && err == nil:
			mu.Lock()
			defer mu.Unlock()
			want[id] = true
		default:
			t.Errorf("%s: %v", id, err)
		}
	})
	if err := dbs[0].View(t.Context(), func(tx *store.Tx) error {
		got, err := store.ListServiceAccounts(tx, "f", store.Page{Limit: 1000})
		if err != nil {
			return err
		}
		for _, a := range got {
			if !want[a.ID] {
				t.Errorf("%s is there", a.ID)
			}
			delete(want, a.ID)
		}
		for id := range want {
			t.Errorf("%s is not there", id)
		}
		head, err := tx.Head()
		if err != nil {
			return err
		}
		entries, err := store.ReadChanges(tx, 1, 1000)
		entered = len(entries)
		if n := len(entries); n != len(got) || entries[n-1].Seq != head {
			t.Errorf("%d entries up to %d, want %d", n, head, len(got))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if n := len(commits); n == 0 || n >= entered {
		t.Errorf("%d commits of %d changes: none have shared one, and the test has tested nothing", n, entered)
	}
}

// TestGuardInGroup: of many who decided from the same state and would change
// it, one does, whether the others are in its transaction or not.
func TestGuardInGroup(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 2)
	hash := token.HashID(1, "thing")
	key := store.Change{Kind: store.ChangeRevocation, Key: hex.EncodeToString(hash[:])}
	ctx := store.WithGuard(context.Background(), 1, []store.Change{key})
	var done atomic.Int64
	crowd(t, s.URL(database), 60, func(i int) {
		err := dbs[i%2].Update(ctx, func(tx *store.Tx) error {
			if i%3 > 0 { // those who change something else come through
				_, err := store.AddMember(tx, "o", iam.SubjectID(fmt.Sprint(i)))
				return err
			}
			store.InsertRevocation(tx, 1, "thing", tx.Now().Add(time.Hour))
			return nil
		})
		switch {
		case err == nil && i%3 == 0:
			done.Add(1)
		case err == nil, errors.Is(err, store.ErrMoved):
		default:
			t.Error(err)
		}
	})
	if done.Load() != 1 {
		t.Errorf("%d changed it, want 1", done.Load())
	}
}

// TestGroupsCross: groups of two nodes that want each other's locks do not wait
// until the server finds a deadlock.
func TestGroupsCross(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 2)
	if err := dbs[0].Update(t.Context(), insertFolder("g")); err != nil {
		t.Fatal(err)
	}
	var deadlocks atomic.Int64
	crowd(t, s.URL(database), 80, func(i int) {
		folder := []string{"f", "g"}[i/2%2]
		if err := dbs[i%2].Update(context.Background(), func(tx *store.Tx) error {
			err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: fmt.Sprint("x", i), FolderID: folder, Name: fmt.Sprint("x", i),
				Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == "40P01" {
				deadlocks.Add(1)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	// One who leads and has waited long may look at the very moment when two
	// groups cross; without the members' own limit there are five to twenty.
	if n := deadlocks.Load(); n > 2 {
		t.Errorf("%d deadlocks", n)
	}
}
