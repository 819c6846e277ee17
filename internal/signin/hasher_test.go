package signin_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
)

func hasher(share float64) *signin.Hasher {
	return signin.NewHasher(signin.HasherConfig{Cost: cheap, AtOnce: 2, Waiting: 8, Share: share, Now: time.Now})
}

func verify(ctx context.Context, h *signin.Hasher, phc, password string) (ok, stale bool, err error) {
	p, err := h.Enter()
	if err != nil {
		return false, false, err
	}
	defer p.Leave()
	return p.Verify(ctx, phc, iam.NewSecret(password))
}

func TestVerify(t *testing.T) {
	h := hasher(0)
	dear := signin.Parameters{MemoryKiB: 64, Passes: 2, Lanes: 1}
	composed := cheap.PHC(iam.NewSecret("caf\u00e9 au lait"))
	for name, c := range map[string]struct {
		phc, password string
		ok, stale     bool
	}{
		"right":                   {cheap.PHC(iam.NewSecret("right one")), "right one", true, false},
		"wrong":                   {cheap.PHC(iam.NewSecret("right one")), "wrong one", false, false},
		"of another cost":         {dear.PHC(iam.NewSecret("right one")), "right one", true, true},
		"nobody's":                {"", "right one", false, false},
		"nobody's, empty":         {"", "", false, false},
		"typed on another system": {composed, "cafe\u0301 au lait", true, false},
	} {
		ok, stale, err := verify(t.Context(), h, c.phc, c.password)
		if ok != c.ok || stale != c.stale || err != nil {
			t.Errorf("%s: %v, stale %v, %v", name, ok, stale, err)
		}
	}
	if _, _, err := verify(t.Context(), h, "$nonsense", "x"); iam.KindOf(err) != iam.Internal {
		t.Errorf("a damaged row: %v", err)
	}
}

// The same work is done for a login that nobody has.
func TestNobodysPasswordCostsOneHashToo(t *testing.T) {
	h := hasher(0)
	computed := 0
	h.Watch(func(compute func()) { computed++; compute() })
	for _, phc := range []string{"", cheap.PHC(iam.NewSecret("right one"))} {
		computed = 0
		if ok, _, err := verify(t.Context(), h, phc, "wrong one"); ok || err != nil || computed != 1 {
			t.Errorf("%q: %v, %v, %d hashes", phc, ok, err, computed)
		}
	}
}

// A thousand at once: two are computed at a time, eight wait, the others are
// sent away at once, with the time to come back.
func TestAStormFillsTheQueueAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hasher(0)
		var now, most, computed atomic.Int64
		h.Watch(func(compute func()) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(20 * time.Millisecond)
			compute()
			computed.Add(1)
			now.Add(-1)
		})
		var busy atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				_, _, err := verify(t.Context(), h, "", "wrong one")
				var e *iam.Error
				if errors.As(err, &e) && e.Kind == iam.Unavailable && e.RetryAfter > 0 {
					busy.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 2 || computed.Load() != 10 || busy.Load() != 990 {
			t.Errorf("%d at a time, %d in all, %d sent away; want 2, 10, 990", most.Load(), computed.Load(), busy.Load())
		}
		if _, _, err := verify(t.Context(), h, "", "wrong one"); err != nil {
			t.Errorf("after the storm: %v", err)
		}
	})
}

// In the long run hashing takes its share of the machine and no more.
func TestHashingKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hasher(0.1)
		var worked time.Duration
		h.Watch(func(compute func()) { time.Sleep(50 * time.Millisecond); worked += 50 * time.Millisecond })
		began := time.Now()
		for range 20 { // the burst
			if _, _, err := verify(t.Context(), h, "", "x"); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d > 1100*time.Millisecond {
			t.Errorf("some dozens of people wait %s for each other", d)
		}
		for time.Since(began) < time.Minute {
			if _, _, err := verify(t.Context(), h, "", "x"); err != nil {
				t.Fatal(err)
			}
		}
		if share := worked.Seconds() / time.Since(began).Seconds(); share > 0.125 || share < 0.1 {
			t.Errorf("hashing took %.3f of a core; 0.1 and a burst of a second are its share", share)
		}
	})
}

// Whoever gives up gives his place back.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hasher(0)
		release := make(chan struct{})
		h.Watch(func(compute func()) { <-release })
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _, _ = verify(t.Context(), h, "", "x") })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 8 {
			wg.Go(func() {
				if _, _, err := verify(ctx, h, "", "x"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("gave up with %v", err)
				}
			})
		}
		synctest.Wait()
		if _, err := h.Enter(); iam.KindOf(err) != iam.Unavailable {
			t.Errorf("an eleventh: %v", err)
		}
		time.Sleep(2 * time.Second)
		p, err := h.Enter()
		if err != nil {
			t.Fatalf("the places were not given back: %v", err)
		}
		p.Leave()
		p.Leave()
		close(release)
		wg.Wait()
	})
}

func BenchmarkRecommended(b *testing.B) {
	password := iam.NewSecret("correct horse battery")
	for b.Loop() {
		signin.Recommended.PHC(password)
	}
}
