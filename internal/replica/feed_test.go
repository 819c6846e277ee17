package replica_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

// anotherNode is a second database object on the same rows: its changes reach
// the replica through the feed alone.
func (f *fixture) anotherNode() *store.DB { return store.New(f.hall, store.Options{}) }

func bindOn(t *testing.T, db *store.DB, resourceID string, role iam.RoleID, subject iam.SubjectID) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, resourceID, binding(role, subject))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHearsOtherNodes(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) { c.Poll = time.Millisecond })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}()
	if got, err := f.r.Roles(ctx, "main", "alice"); err != nil || got != nil {
		t.Fatalf("before: %v, %v", got, err)
	}
	bindOn(t, f.anotherNode(), "main", "viewer", "alice")
	for deadline := time.Now().Add(10 * time.Second); ; {
		got, err := f.r.Roles(ctx, "main", "alice")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never heard of another node's change")
		}
		time.Sleep(time.Millisecond)
	}
	if f.r.Heard().IsZero() {
		t.Error("Heard is zero")
	}
	stop()
	within(t, "Run ends", ended)
}

func TestCatchUp(t *testing.T) {
	f := newFixture(t, nil)
	other := f.anotherNode()
	at := f.r.Position()
	if got, err := f.r.Roles(t.Context(), "main", "alice"); err != nil || got != nil {
		t.Fatalf("before: %v, %v", got, err)
	}
	bindOn(t, other, "main", "viewer", "alice")
	if err := f.r.CatchUp(t.Context(), at+1); err != nil || f.r.Position() != at+1 {
		t.Fatalf("CatchUp: %v, at %d, want %d", err, f.r.Position(), at+1)
	}
	if got, err := f.r.Roles(t.Context(), "main", "alice"); err != nil || len(got) != 1 {
		t.Fatalf("after: %v, %v", got, err)
	}
	if err := f.r.CatchUp(t.Context(), at+2); !errors.Is(err, iam.Unavailable) {
		t.Errorf("CatchUp beyond the head: %v, want UNAVAILABLE", err)
	}
}

// A fill whose snapshot is newer than the position takes the position along:
// what is remembered never runs ahead of it.
func TestFillCatchesUp(t *testing.T) {
	f := newFixture(t, nil)
	at := f.r.Position()
	bindOn(t, f.anotherNode(), "main", "viewer", "alice")
	if got, err := f.r.Roles(t.Context(), "main", "alice"); err != nil || len(got) != 1 || f.r.Position() != at+1 {
		t.Errorf("%v, %v, at %d, want %d", got, err, f.r.Position(), at+1)
	}
}

func TestSubscribersHearInOrder(t *testing.T) {
	f := newFixture(t, nil)
	var heard []iam.Position
	f.r.OnApply(func(entries []store.Entry) {
		for _, e := range entries {
			if f.r.Position() >= e.Seq {
				t.Errorf("position %d is shown before %d was handed out", f.r.Position(), e.Seq)
			}
			heard = append(heard, e.Seq)
		}
	})
	at := f.r.Position()
	f.addUsers("a")
	f.update(func(tx *store.Tx) error {
		store.InsertRevocation(tx, 3, "key", tx.Now().Add(time.Hour))
		return nil
	})
	bindOn(t, f.anotherNode(), "main", "viewer", "alice")
	f.addUsers("b")
	if diff := cmp.Diff([]iam.Position{at + 1, at + 2, at + 3, at + 4}, heard); diff != "" {
		t.Error(diff)
	}
}

// lostHistory checks that everything was forgotten by what read does.
func lostHistory(t *testing.T, f *fixture, do func()) {
	t.Helper()
	if _, err := f.r.ServiceAccount(t.Context(), "robot"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.r.Key(t.Context(), "ghost"); !errors.Is(err, iam.NotFound) {
		t.Fatal(err)
	}
	anew := false
	f.r.OnApply(func(entries []store.Entry) { anew = anew || entries == nil })
	before := f.r.Stats()
	do()
	if after := f.r.Stats(); after.Forgotten != before.Forgotten+1 || after.Entries != 0 || after.Absent != 0 || !anew {
		t.Errorf("not all was forgotten: %+v, subscribers told: %v", after, anew)
	}
}

func poll(t *testing.T, f *fixture) {
	t.Helper()
	// Past every position: whatever the feed says is read.
	if err := f.r.CatchUp(t.Context(), 1<<40); !errors.Is(err, iam.Unavailable) {
		t.Fatal(err)
	}
}

func rawUpdate(t *testing.T, f *fixture, statements ...string) {
	t.Helper()
	err := f.hall.Update(t.Context(), func(c store.Conn) error {
		for _, s := range statements {
			if _, err := c.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestForgetsWhenHistoryChanges(t *testing.T) {
	for name, tamper := range map[string][]string{
		"another nonce":    {`UPDATE changes SET nonce = 'another' WHERE seq = (SELECT seq FROM feed_head)`},
		"the row is lost":  {`DELETE FROM changes`},
		"the head is back": {`DELETE FROM changes WHERE seq = (SELECT seq FROM feed_head)`, `UPDATE feed_head SET seq = seq - 1`},
		"trimmed too far":  {`UPDATE feed_head SET seq = seq + 2`, `INSERT INTO changes (seq, part, kind, key, nonce) SELECT seq, 0, 'key', 'k', 'n' FROM feed_head`},
		"an unknown kind":  {`UPDATE feed_head SET seq = seq + 1`, `INSERT INTO changes (seq, part, kind, key, nonce) SELECT seq, 0, 'novelty', 'x', 'n' FROM feed_head`},
		"much too far":     {`UPDATE feed_head SET seq = seq + 100000`, `INSERT INTO changes (seq, part, kind, key, nonce) SELECT seq, 0, 'key', 'k', 'n' FROM feed_head`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.addUsers("alice")
			lostHistory(t, f, func() {
				rawUpdate(t, f, tamper...)
				poll(t, f)
			})
			before := f.r.Position()
			f.addUsers("later")
			if err := f.r.CatchUp(t.Context(), before+1); err != nil {
				t.Errorf("after the loss: %v", err)
			}
		})
	}
}

// A restored database with the same numbers and other contents.
func TestRestoredDatabase(t *testing.T) {
	f := newFixture(t, nil)
	f.bind("main", "admin", "mallory")
	if got, err := f.r.Roles(t.Context(), "main", "mallory"); err != nil || len(got) != 1 {
		t.Fatalf("before: %v, %v", got, err)
	}
	restored := newFixture(t, nil)
	restored.bind("main", "viewer", "alice")
	if restored.r.Position() != f.r.Position() {
		t.Fatal("the two histories should look alike")
	}
	f.hall.exchange(restored.hall.Engine)
	poll(t, f)
	if got, err := f.r.Roles(t.Context(), "main", "mallory"); err != nil || got != nil {
		t.Errorf("after the restore: %v, %v", got, err)
	}
}

// A snapshot older than the position is not an answer.
func TestOldSnapshot(t *testing.T) {
	f := newFixture(t, nil)
	f.addUsers("alice")
	old := newFixture(t, nil)
	position := f.r.Position()
	f.hall.exchange(old.hall.Engine)
	// The one who asks finds out that history went back, and goes with it.
	if _, err := f.r.UserAccount(t.Context(), "alice"); !errors.Is(err, iam.NotFound) {
		t.Errorf("%v, want NOT_FOUND", err)
	}
	if f.r.Position() >= position || f.r.Stats().Forgotten != 2 {
		t.Errorf("at %d, was %d: %+v", f.r.Position(), position, f.r.Stats())
	}
}

var errAway = errors.New("the store is away")

func TestStoreAway(t *testing.T) {
	f := newFixture(t, nil)
	ctx := t.Context()
	if _, err := f.r.ServiceAccount(ctx, "robot"); err != nil {
		t.Fatal(err)
	}
	if got, err := f.r.Roles(ctx, "main", "alice"); err != nil || got != nil {
		t.Fatal(got, err)
	}
	f.hall.set(func(context.Context) error { return errAway }, nil)
	if _, err := f.r.ServiceAccount(ctx, "robot"); err != nil {
		t.Errorf("what is remembered: %v", err)
	}
	if _, err := f.r.UserAccount(ctx, "alice"); !errors.Is(err, errAway) {
		t.Errorf("what is not: %v", err)
	}
	// A change that cannot be read back takes everything with it.
	f.bind("main", "viewer", "alice")
	if s := f.r.Stats(); s.Entries != 0 {
		t.Errorf("after an unreadable change: %+v", s)
	}
	f.hall.set(nil, nil)
	if got, err := f.r.Roles(ctx, "main", "alice"); err != nil || len(got) != 1 {
		t.Errorf("back again: %v, %v", got, err)
	}
}
