package replica_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

// Many who ask for one key at once look it up once, also when it is not there.
func TestMissesCollapse(t *testing.T) {
	for _, id := range []string{"robot", "ghost"} {
		f := newFixture(t, nil)
		open := make(chan struct{})
		f.hall.set(func(context.Context) error { <-open; return nil }, nil)
		var asked, answered sync.WaitGroup
		for range 100 {
			asked.Add(1)
			answered.Go(func() {
				asked.Done()
				if _, err := f.r.ServiceAccount(t.Context(), id); err != nil && !errors.Is(err, iam.NotFound) {
					t.Error(err)
				}
			})
		}
		asked.Wait()
		time.Sleep(20 * time.Millisecond) // those not yet waiting would find the value remembered
		close(open)
		answered.Wait()
		if s := f.r.Stats(); s.Misses > 2 {
			t.Errorf("%s: %d look-ups for 100 who ask", id, s.Misses)
		}
	}
}

func TestFillsAreBounded(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) { c.MaxFills = 3 })
	f.hall.set(func(context.Context) error { time.Sleep(time.Millisecond); return nil }, nil)
	f.hall.most.Store(0)
	var wg sync.WaitGroup
	for _, id := range numbered("u", 60) {
		wg.Go(func() {
			if _, err := f.r.UserAccount(t.Context(), id); !errors.Is(err, iam.NotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most := f.hall.most.Load(); most > 3 || most < 2 {
		t.Errorf("%d look-ups at one time, want at most 3", most)
	}
}

// Who waits for another's look-up is not hurt when that one goes away.
func TestLeaderGoesAway(t *testing.T) {
	f := newFixture(t, nil)
	leader, goAway := context.WithCancel(t.Context())
	flying := make(chan struct{})
	var once sync.Once
	f.hall.set(func(ctx context.Context) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(flying)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}, nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.r.ServiceAccount(leader, "robot"); !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
	})
	within(t, "the leader looks", flying)
	wg.Go(func() {
		if a, err := f.r.ServiceAccount(t.Context(), "robot"); err != nil || a.ID != "robot" {
			t.Errorf("the follower: %v, %v", a, err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	goAway()
	wg.Wait()
}

// Who gives up does not wait for the store.
func TestWaiterGivesUp(t *testing.T) {
	f := newFixture(t, nil)
	open := make(chan struct{})
	flying := make(chan struct{}, 1)
	f.hall.set(func(context.Context) error { flying <- struct{}{}; <-open; return nil }, nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.r.ServiceAccount(t.Context(), "robot"); err != nil {
			t.Error(err)
		}
	})
	<-flying
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := f.r.ServiceAccount(ctx, "robot"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want DEADLINE_EXCEEDED", err)
	}
	f.hall.set(nil, nil)
	close(open)
	wg.Wait()
}

// A look-up that read before a change and lands after it must not be remembered,
// and who asks after the change must not be given it.
func TestOvertakenFill(t *testing.T) {
	f := newFixture(t, nil)
	if _, err := f.r.Roles(t.Context(), "main", "nobody"); err != nil {
		t.Fatal(err)
	}
	f.bind("main", "viewer", "other") // so that main is not bare
	read, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.hall.set(nil, func() {
		first := false
		once.Do(func() { first = true })
		if first {
			close(read)
			<-open
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		// Asked before the change: either answer is right.
		if _, err := f.r.Roles(t.Context(), "main", "alice"); err != nil {
			t.Error(err)
		}
	})
	within(t, "the first look-up has read", read)
	f.bind("main", "editor", "alice")
	for range 2 {
		if got, err := f.r.Roles(t.Context(), "main", "alice"); err != nil || len(got) != 1 {
			t.Errorf("after the change, beside the old look-up: %v, %v", got, err)
		}
	}
	close(open)
	wg.Wait()
	if got, err := f.r.Roles(t.Context(), "main", "alice"); err != nil || len(got) != 1 {
		t.Errorf("after the old look-up landed: %v, %v", got, err)
	}
}

// A reload between read and landing throws the landing away too.
func TestFillOfForgottenHistory(t *testing.T) {
	f := newFixture(t, nil)
	restored := newFixture(t, nil)
	read, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.hall.set(nil, func() {
		first := false
		once.Do(func() { first = true })
		if first {
			close(read)
			<-open
		}
	})
	restored.update(func(tx *store.Tx) error {
		return store.SetServiceAccountStatus(tx, "robot", iam.ServiceAccountSuspended, "a test")
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.r.ServiceAccount(t.Context(), "robot"); err != nil {
			t.Error(err)
		}
	})
	within(t, "the look-up has read", read)
	f.hall.exchange(restored.hall.Engine)
	poll(t, f)
	close(open)
	wg.Wait()
	if a, err := f.r.ServiceAccount(t.Context(), "robot"); err != nil || a.Status != iam.ServiceAccountSuspended {
		t.Errorf("%+v, %v", a, err)
	}
}
