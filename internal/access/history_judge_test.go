package access_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

// ask checks something at random and writes down what was answered.
func (h *history) ask(ctx context.Context, node *replica.Replica, r *rand.Rand) error {
	h.mu.Lock()
	a := asked{who: pick(r, h.subjects), what: pick(r, h.permissions), id: pick(r, h.all)}
	if r.IntN(8) > 0 && len(h.folders) > 0 {
		a.id = pick(r, []string{pick(r, h.folders), pick(r, h.folders) + "a", "r10", "r11", "r00"})
	}
	h.mu.Unlock()
	var err error
	a.at, _, err = node.Consistent(ctx, func(v *replica.View) (err error) {
		v.About(a.who.ID)
		a.d, err = h.checker.Check(v, a.who, a.what, a.id)
		return err
	})
	if a.gone = errors.Is(err, iam.NotFound); err != nil && !a.gone {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, a)
	return nil
}

// TestEveryAnswerWasOnceTrue: while two nodes change bindings, groups,
// memberships, policies and what stands where, every check answers as a naive
// one does in the world of the very position that it reports.
func TestEveryAnswerWasOnceTrue(t *testing.T) {
	h := newHistory(t, rand.New(rand.NewPCG(13, 14)))
	nodes := []*replica.Replica{
		replica.New(replica.Config{DB: h.db[0], Poll: time.Millisecond}),
		replica.New(replica.Config{DB: h.db[1], Poll: time.Millisecond, MaxBytes: 1}), // forgets all the time
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for _, node := range nodes {
		if err := node.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	first := nodes[0].Position()
	var work, background sync.WaitGroup
	for n, node := range nodes {
		background.Go(func() { _ = node.Run(ctx) })
		for i := range 2 {
			r := rand.New(rand.NewPCG(uint64(n), uint64(i)))
			background.Go(func() {
				for turn := 0; ctx.Err() == nil; turn++ {
					if err := h.change(ctx, h.db[n], r, fmt.Sprintf("f%d%d%d", n, i, turn)); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
				}
			})
			asker := rand.New(rand.NewPCG(uint64(n), uint64(i)+100))
			work.Go(func() {
				for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
					for range 20 {
						if err := h.ask(ctx, node, asker); err != nil {
							t.Error(err)
							return
						}
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	work.Wait()
	stop()
	background.Wait()
	h.judge(t, first)
}

// judge plays the history again and compares.
func (h *history) judge(t *testing.T, first iam.Position) {
	t.Helper()
	var head iam.Position
	err := h.db[0].View(context.WithoutCancel(t.Context()), func(tx *store.Tx) (err error) {
		head, err = tx.Head()
		return err
	})
	if err != nil || head != first+iam.Position(len(h.changes)) {
		t.Fatalf("the feed ends at %d, %v; %d changes after %d are known", head, err, len(h.changes), first)
	}
	slices.SortFunc(h.changes, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	slices.SortStableFunc(h.asked, func(a, b asked) int { return cmp.Compare(a.at, b.at) })
	seen := map[string]int{}
	for at, next := first, 0; at <= head; at++ {
		if at > first {
			e := h.changes[at-first-1]
			if e.at != at {
				t.Fatalf("the change of %d is that of %d", at, e.at)
			}
			for _, c := range e.changes {
				c(h.world)
			}
		}
		for ; next < len(h.asked) && h.asked[next].at == at; next++ {
			a := h.asked[next]
			_, lives := h.refs[a.id]
			want := lives && h.naive(a.who, a.what, a.id)
			if a.gone == lives || a.d.Allowed != want {
				t.Fatalf("at %d: %s %s on %s: %+v, gone: %v; naively %v, lives: %v", at, a.who.ID, a.what, a.id, a.d, a.gone, want, lives)
			}
			seen[a.kind()]++
		}
	}
	t.Logf("%d changes, answers: %v", len(h.changes), seen)
	for _, kind := range []string{"allowed", "refused", "denied", "gone"} {
		if seen[kind] < 20 {
			t.Errorf("only %d answers were %s: too dull to prove anything", seen[kind], kind)
		}
	}
}

func (a asked) kind() string {
	switch {
	case a.gone:
		return "gone"
	case a.d.Allowed:
		return "allowed"
	case a.d.DeniedBy != access.Denial{}:
		return "denied"
	}
	return "refused"
}
