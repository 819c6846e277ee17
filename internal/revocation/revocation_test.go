package revocation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

func TestRevokedHereAtOnce(t *testing.T) {
	n := newNode(t)
	one, two := n.mint(t, "ajeone", n.replica.Position()), n.mint(t, "ajetwo", n.replica.Position())
	for _, text := range []string{one, two} {
		if _, err := n.list.Verify(text); err != nil {
			t.Fatal(err)
		}
	}
	n.revoke(t, token.KindToken, "ajeone")
	if _, err := n.list.Verify(one); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("a revoked token: %v", err)
	}
	if _, err := n.list.Verify(two); err != nil {
		t.Errorf("another token: %v", err)
	}
	n.revoke(t, token.KindSubject, "ajeperson")
	if _, err := n.list.Verify(two); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("a token of an ended subject: %v", err)
	}
	if _, err := n.list.Verify(n.mint(t, "ajethree", n.replica.Position())); err != nil {
		t.Errorf("a token made after the revocation: %v", err)
	}
}

func TestLoadKnowsWhatWasRevokedBefore(t *testing.T) {
	n := newNode(t)
	text := n.mint(t, "ajeone", n.replica.Position())
	n.away.Store(true)
	n.revoke(t, token.KindToken, "ajeone")
	if _, err := n.list.Verify(text); err != nil {
		t.Fatal("not told, and yet refused")
	}
	// The next entry shows the gap.
	n.away.Store(false)
	n.change(t, "alice")
	if _, err := n.list.Verify(text); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("after a gap: %v", err)
	}
	n.away.Store(true)
	other := n.mint(t, "ajetwo", n.replica.Position())
	n.revoke(t, token.KindToken, "ajetwo")
	n.list.Notice(nil)
	if _, err := n.list.Verify(other); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("after history was lost: %v", err)
	}
}

func TestTakesNothingWhileBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		text := n.mint(t, "ajeone", n.replica.Position())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { n.list.Run(ctx); close(done) }()
		n.ring.mu.Lock()
		n.ring.fail = errors.New("the store is away")
		n.ring.mu.Unlock()
		n.list.Notice(nil)
		if _, err := n.list.Verify(text); !errors.Is(err, token.ErrStale) {
			t.Errorf("behind: %v", err)
		}
		if err := n.list.Ended(0, nil); !errors.Is(err, token.ErrStale) {
			t.Errorf("behind: %v", err)
		}
		n.ring.mu.Lock()
		n.ring.fail = nil
		n.ring.mu.Unlock()
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if _, err := n.list.Verify(text); err != nil {
			t.Errorf("caught up: %v", err)
		}
		if err := n.list.Ended(0, nil); err != nil {
			t.Errorf("caught up: %v", err)
		}
		cancel()
		<-done
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.revoke(t, token.KindToken, "ajeone")
		n.page(t, nil, 0)
		time.Sleep(token.RevocationLife - time.Second)
		n.revoke(t, token.KindToken, "ajetwo")
		if p := n.page(t, nil, 0); len(p.Entries) != 2 {
			t.Errorf("%d entries", len(p.Entries))
		}
		time.Sleep(2 * time.Second)
		if p := n.page(t, nil, 0); len(p.Entries) != 1 {
			t.Errorf("%d entries: the expired one is still told", len(p.Entries))
		}
		if err := revocation.Forget(t.Context(), n.db); err != nil {
			t.Fatal(err)
		}
		err := n.db.View(t.Context(), func(tx *store.Tx) error {
			rows, err := store.ListRevocations(tx, 0)
			if len(rows) != 1 {
				t.Errorf("%d rows", len(rows))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
