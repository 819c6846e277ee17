package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var feedTests = []test{
	{"entries and nonces", testEntries},
	{"order of commits", testFeedOrder},
	{"trimming", testTrim},
	{"guard", testGuard},
	{"guard over a trimmed or long feed", testGuardFar},
	{"hook runs before update returns", testHook},
	{"hook under load", testHookUnderLoad},
	{"hook runs before a guard refuses", testHookBeforeMoved},
	{"details move nothing", testDetailsMoveNothing},
}

func testEntries(t *testing.T, f *fixture) {
	same(t, "head of an empty feed", iam.Position(0), f.head(t))
	f.world(t)
	same(t, "one update, one number", iam.Position(1), f.head(t))
	for i := range 5 {
		f.update(t, func(tx *store.Tx) error {
			store.InsertRevocation(tx, 1, fmt.Sprint(i), created)
			store.InsertRevocation(tx, 1, fmt.Sprint(i), created) // told once
			return nil
		})
	}
	f.view(t, func(tx *store.Tx) error {
		entries, err := store.ReadChanges(tx, 2, 3)
		if err != nil {
			return err
		}
		same(t, "entries", 3, len(entries))
		seen := map[string]bool{}
		for i, e := range entries {
			same(t, "seq", iam.Position(3+i), e.Seq)
			same(t, "changes", 1, len(e.Changes))
			nonce, ok, err := store.NonceAt(tx, e.Seq)
			if err != nil || !ok || nonce != e.Nonce || nonce == "" || seen[nonce] {
				t.Errorf("nonce at %d: %q %v %v, entry has %q", e.Seq, nonce, ok, err, e.Nonce)
			}
			seen[nonce] = true
		}
		none, err := store.ReadChanges(tx, 6, 3)
		same(t, "at the head", 0, len(none))
		if err != nil {
			return err
		}
		_, ok, err := store.NonceAt(tx, 7)
		same(t, "nonce of the future", false, ok)
		return err
	})
}

// testFeedOrder polls the feed while many write: what is read has no gap, and
// a change is visible to whoever has read its entry.
func testFeedOrder(t *testing.T, f *fixture) {
	f.world(t)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := f.db.Update(context.Background(), func(tx *store.Tx) error {
					if i%5 == 4 {
						return errors.Join(errAbandon, store.InsertFolder(tx, folder(fmt.Sprintf("x%d.%d", w, i), cloudID, fmt.Sprintf("x%d.%d", w, i))))
					}
					return store.InsertFolder(tx, folder(fmt.Sprintf("f%d.%d", w, i), cloudID, fmt.Sprintf("f%d.%d", w, i)))
				})
				if err != nil && !errors.Is(err, errAbandon) {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	var at iam.Position = 1
	seen := map[string]bool{}
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		f.view(t, func(tx *store.Tx) error {
			entries, err := store.ReadChanges(tx, at, 1+rand.IntN(20))
			for _, e := range entries {
				if e.Seq != at+1 {
					t.Fatalf("entry %d after %d", e.Seq, at)
				}
				at = e.Seq
				for _, c := range e.Changes {
					seen[c.Key] = true
					if _, err := store.GetFolder(tx, c.Key); err != nil {
						return err
					}
				}
			}
			return err
		})
		if last && at == f.head(t) {
			break
		}
	}
	same(t, "folders told of", writers*each*4/5, len(seen))
	same(t, "abandoned updates draw no number", iam.Position(1+writers*each*4/5), at)
}

var errAbandon = errors.New("abandoned")

func testTrim(t *testing.T, f *fixture) {
	f.world(t)
	for i := range 9 {
		f.update(t, func(tx *store.Tx) error { store.InsertRevocation(tx, 1, fmt.Sprint(i), created); return nil })
	}
	f.told(t, nil, func(tx *store.Tx) error { return second(store.TrimChanges(tx, 5)) })
	f.view(t, func(tx *store.Tx) error {
		if _, err := store.ReadChanges(tx, 3, 1); !errors.Is(err, store.ErrTrimmed) {
			t.Errorf("reading from before the oldest: %v", err)
		}
		if _, err := store.ReadChanges(tx, 3, 100); !errors.Is(err, store.ErrTrimmed) {
			t.Errorf("reading from before the oldest: %v", err)
		}
		if _, ok, err := store.NonceAt(tx, 4); ok || err != nil {
			t.Errorf("nonce of a trimmed entry: %v %v", ok, err)
		}
		entries, err := store.ReadChanges(tx, 4, 100)
		same(t, "left", 6, len(entries))
		return err
	})
	f.update(t, func(tx *store.Tx) error { return second(store.TrimChanges(tx, 1000)) })
	f.view(t, func(tx *store.Tx) error {
		_, ok, err := store.NonceAt(tx, 10)
		same(t, "the newest stays", true, ok)
		return err
	})
}

func testGuard(t *testing.T, f *fixture) {
	f.world(t)
	position := f.head(t)
	watched := []store.Change{
		{Kind: store.ChangeBinding, Key: store.BindingKey(cloudID, robotID)},
		{Kind: store.ChangeResource, Key: folderID},
	}
	try := func(want error) {
		t.Helper()
		ran := false
		err := f.db.Update(store.WithGuard(t.Context(), position, watched), func(tx *store.Tx) error {
			ran = true
			return second(store.AddMember(tx, orgID, "u1"))
		})
		if !errors.Is(err, want) || ran != (want == nil) {
			t.Fatalf("error %v (function ran: %v), want %v", err, ran, want)
		}
	}
	try(nil)
	f.update(t, func(tx *store.Tx) error { // others of the same kind and of the same key
		return all(second(store.AddBinding(tx, cloudID, bind("viewer", "someone"))),
			second(store.AddBinding(tx, folderID, bind("viewer", robotID))), store.UpdateCloud(tx, cloud(cloudID, orgID, "renamed")))
	})
	try(nil)
	f.update(t, func(tx *store.Tx) error { return second(store.AddBinding(tx, cloudID, bind("viewer", robotID))) })
	try(store.ErrMoved)
	position = f.head(t)
	try(nil)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteFolder(tx, folderID)) })
	try(store.ErrMoved)
	position = f.head(t) + 1 // a position of another history
	try(store.ErrMoved)
}

func testGuardFar(t *testing.T, f *fixture) {
	f.world(t)
	guarded := func(position iam.Position) error {
		ctx := store.WithGuard(t.Context(), position, []store.Change{{Kind: store.ChangeResource, Key: "untouched"}})
		return f.db.Update(ctx, func(tx *store.Tx) error { return nil })
	}
	for i := range 5 {
		f.update(t, func(tx *store.Tx) error { store.InsertRevocation(tx, 1, fmt.Sprint(i), created); return nil })
	}
	if err := guarded(2); err != nil {
		t.Fatalf("nothing watched has changed: %v", err)
	}
	f.update(t, func(tx *store.Tx) error { return second(store.TrimChanges(tx, 4)) })
	if err := guarded(2); !errors.Is(err, store.ErrMoved) {
		t.Fatalf("what happened meanwhile is forgotten: %v", err)
	}
	if err := guarded(3); err != nil {
		t.Fatalf("everything after the position is there: %v", err)
	}
	f.update(t, func(tx *store.Tx) error {
		for i := range 5000 {
			store.InsertRevocation(tx, 1, fmt.Sprint("many", i), created)
		}
		return nil
	})
	if err := guarded(5); !errors.Is(err, store.ErrMoved) {
		t.Fatalf("too far to look: %v", err)
	}
}

func testHook(t *testing.T, f *fixture) {
	var heard iam.Position
	f.db.AfterCommit(func(ctx context.Context, at iam.Position) {
		heard = at
		same(t, "committed before the hook", at, f.head(t))
		if ctx.Err() != nil {
			t.Error("the hook was given an ended context")
		}
	})
	f.world(t)
	same(t, "heard", iam.Position(1), heard)
	heard = 0
	f.told(t, nil, func(tx *store.Tx) error { return store.SetSetting(tx, "a", "b") })
	same(t, "nothing to hear", iam.Position(0), heard)
	ctx, cancel := context.WithCancel(t.Context())
	err := f.db.Update(ctx, func(tx *store.Tx) error {
		err := store.UpdateCloud(tx, cloud(cloudID, orgID, "renamed"))
		cancel() // too late or in time, but never half
		return err
	})
	if applied := f.head(t) == 2; applied != (err == nil) || applied != (heard == 2) {
		t.Errorf("error %v, head %d, heard %d", err, f.head(t), heard)
	}
}

// testHookUnderLoad: no update returns before the hook has returned for a
// position that covers it.
func testHookUnderLoad(t *testing.T, f *fixture) {
	var mu sync.Mutex
	var applied iam.Position
	f.db.AfterCommit(func(_ context.Context, at iam.Position) {
		mu.Lock()
		defer mu.Unlock()
		if at < applied {
			t.Errorf("the hook went back from %d to %d", applied, at)
		}
		applied = at
	})
	f.world(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf("f%d.%d", w, i)
				if err := f.db.Update(context.Background(), func(tx *store.Tx) error {
					return store.InsertFolder(tx, folder(id, cloudID, id))
				}); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at := applied
				mu.Unlock()
				if !f.toldBy(at, id) {
					t.Errorf("%s returned before the hook heard of it", id)
				}
			}
		})
	}
	wg.Wait()
}

// toldBy says whether the entry about a resource stands at or before a position.
func (f *fixture) toldBy(at iam.Position, id string) (found bool) {
	_ = f.db.View(context.Background(), func(tx *store.Tx) error {
		entries, err := store.ReadChanges(tx, 0, int(at))
		for _, e := range entries {
			for _, c := range e.Changes {
				found = found || c.Key == id
			}
		}
		return err
	})
	return found
}
