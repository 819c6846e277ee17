package source_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata/source"
)

func TestHalfOfTheLifeIsAlwaysLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		policy      source.Policy
		every       time.Duration // asked
		least       time.Duration // left
		fewest, top int           // renewals in three days
	}{
		"in use":             {source.Policy{}, 50 * time.Second, tokenLife - 13*time.Minute, 72 * 6, 72 * 60 / 8},
		"in use, no recheck": {source.Policy{Recheck: -1}, 50 * time.Second, tokenLife / 2, 12, 15},
		"three quarters":     {source.Policy{Recheck: -1, MinimumLife: 0.75}, time.Minute, tokenLife * 3 / 4, 24, 30},
		"asked once in 5 h":  {source.Policy{}, 5 * time.Hour, tokenLife - 13*time.Minute, 24, 40},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, tc.policy, func(t *testing.T, w *world, r *source.Renewer) {
				for began := time.Now(); time.Since(began) < 72*time.Hour; time.Sleep(tc.every) {
					_, left, err := tokenOf(t, w, r)
					if err != nil || left < tc.least {
						t.Fatalf("after %v: %v left (%v), want at least %v", time.Since(began), left, err, tc.least)
					}
				}
				if asked, _, _ := w.counts(); asked < tc.fewest || asked > tc.top {
					t.Errorf("IAM was asked %d times in three days, want %d to %d", asked, tc.fewest, tc.top)
				}
			})
		})
	}
}

func TestUnusedIsRenewedSeldom(t *testing.T) {
	inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
		time.Sleep(24 * time.Hour)
		if asked, _, _ := w.counts(); asked < 4 || asked > 6 {
			t.Errorf("asked %d times in a day that nobody wanted a token, want 4 to 6", asked)
		}
		if left := r.Status().Token.Remaining; left < tokenLife/2 {
			t.Errorf("%v left, want half of the life for when IAM goes away", left)
		}
	})
}

func TestOneRenewalServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{takes: 2 * time.Second}
		r, err := source.NewRenewer(w, nil, source.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				ctx := t.Context()
				if i == 0 {
					ctx = impatient
				}
				got, err := r.Token(ctx)
				if i == 0 {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("the impatient one got %v", err)
					}
				} else if err != nil || got.Text.Reveal() != "t1.token-1" {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if asked, _, _ := w.counts(); asked != 1 {
			t.Errorf("IAM was asked %d times, want once", asked)
		}
	})
}

func TestServesWhileIAMIsAway(t *testing.T) {
	inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
		first, _, err := tokenOf(t, w, r)
		if err != nil {
			t.Fatal(err)
		}
		w.set(func(w *world) { w.err = away() })
		got := time.Now()
		for time.Since(got) < tokenLife-8*time.Minute {
			began := time.Now()
			text, left, err := tokenOf(t, w, r)
			if err != nil || text != first || left <= 0 {
				t.Fatalf("after %v: %q with %v left, %v; want the first token", time.Since(got), text, left, err)
			}
			if waited := time.Since(began); waited > time.Second {
				t.Fatalf("waited %v for a token that was there", waited)
			}
			time.Sleep(7 * time.Minute)
		}
		st := r.Status().Token
		if !st.Stale || st.Remaining <= 0 || st.Refused || st.Failure != "UNAVAILABLE" || st.Failures < 100 || st.LastFailure.IsZero() {
			t.Errorf("status %+v", st)
		}
		if n := w.logged("cannot renew"); n != 1 {
			t.Errorf("%d lines about one outage, want one", n)
		}
		time.Sleep(20 * time.Minute)
		if _, _, err := tokenOf(t, w, r); iam.KindOf(err) != iam.Unavailable || errors.Is(err, source.ErrNoAccount) {
			t.Errorf("after the token's end: %v, want UNAVAILABLE", err)
		}
		if st := r.Status().Token; st.Remaining != 0 || st.Stale {
			t.Errorf("status %+v, want nothing served", st)
		}
		asked, _, _ := w.counts()
		if asked > 14*60 {
			t.Errorf("asked %d times in 12 h of an outage, want about once a minute", asked)
		}

		w.set(func(w *world) { w.err = nil })
		time.Sleep(2 * time.Minute)
		if text, left, err := tokenOf(t, w, r); err != nil || text == first || left < tokenLife-5*time.Minute {
			t.Errorf("after the outage: %q with %v left, %v", text, left, err)
		}
		if st := r.Status().Token; st.Failure != "" || st.Stale || w.logged("renewed again") != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

// An IAM that takes connections and never answers delays nobody who can have
// what there is.
func TestIAMHangs(t *testing.T) {
	inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
		w.set(func(w *world) { w.hangs = true })
		for range 1000 {
			began := time.Now()
			if _, _, err := tokenOf(t, w, r); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > 400*time.Millisecond {
				t.Fatalf("waited %v", waited)
			}
			time.Sleep(30 * time.Second)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := &world{hangs: true}
		r, err := source.NewRenewer(w, nil, source.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		began := time.Now()
		if _, err := r.Token(t.Context()); iam.KindOf(err) != iam.Unavailable || time.Since(began) > 4*time.Second {
			t.Errorf("got %v after %v, want UNAVAILABLE within 4 s", err, time.Since(began))
		}
	})
}

func TestRefusedAccountIsServedNoMore(t *testing.T) {
	for name, kind := range map[string]iam.Kind{"unauthenticated": iam.Unauthenticated, "denied": iam.PermissionDenied,
		"not found": iam.NotFound, "suspended": iam.FailedPrecondition} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
				if _, err := r.AccessKey(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.set(func(w *world) { w.err = refusal(kind) })
				began := time.Now()
				for ; ; time.Sleep(5 * time.Second) {
					_, _, err := tokenOf(t, w, r)
					if errors.Is(err, source.ErrNoAccount) {
						break
					}
					if err != nil || time.Since(began) > 13*time.Minute {
						t.Fatalf("after %v: %v, want ErrNoAccount", time.Since(began), err)
					}
				}
				if _, err := r.AccessKey(t.Context()); !errors.Is(err, source.ErrNoAccount) {
					t.Errorf("access key: %v, want ErrNoAccount", err)
				}
				if st := r.Status(); !st.Token.Refused || st.Token.Remaining != 0 || st.AccessKey.Remaining != 0 {
					t.Errorf("status %+v", st)
				}
				time.Sleep(time.Hour)
				if n := w.logged("IAM refuses the credential"); n != 1 {
					t.Errorf("%d lines about one refusal, want one", n)
				}
				w.set(func(w *world) { w.err = nil })
				time.Sleep(90 * time.Second)
				if _, _, err := tokenOf(t, w, r); err != nil {
					t.Errorf("90 s after the account is back: %v", err)
				}
				if _, err := r.AccessKey(t.Context()); err != nil {
					t.Errorf("access key of an account that is back: %v", err)
				}
			})
		})
	}
}

// A refusal that is not certain, or not confirmed, changes nothing of what is served.
func TestOtherRefusals(t *testing.T) {
	for name, err := range map[string]error{
		"a proxy's":      &source403,
		"of a clock":     &sourceClock,
		"internal":       iam.Errorf(iam.Internal, "oops"),
		"too many calls": iam.Errorf(iam.ResourceExhausted, "later"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
				w.set(func(w *world) { w.err = err })
				for range 60 {
					if _, _, err := tokenOf(t, w, r); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
	t.Run("once", func(t *testing.T) {
		inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
			w.set(func(w *world) { w.err = refusal(iam.Unauthenticated) })
			for r.Status().Token.Failures == 0 {
				if _, _, err := tokenOf(t, w, r); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			w.set(func(w *world) { w.err = nil })
			for range 60 {
				if _, _, err := tokenOf(t, w, r); err != nil {
					t.Fatalf("a refusal that was not confirmed stopped it: %v", err)
				}
				time.Sleep(time.Second)
			}
			if w.logged("IAM refuses the credential") != 0 {
				t.Error("it was told of as certain")
			}
		})
	})
}

func TestRefusedFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{err: refusal(iam.Unauthenticated)}
		r, err := source.NewRenewer(w, nil, source.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range 1000 {
			if _, err := r.Token(t.Context()); !errors.Is(err, source.ErrNoAccount) {
				t.Fatalf("got %v, want ErrNoAccount", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if asked, _, _ := w.counts(); asked > 12 {
			t.Errorf("IAM was asked %d times in 100 s by a program that asks ten times a second", asked)
		}
	})
}

func TestAwayFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{err: away()}
		r, err := source.NewRenewer(w, nil, source.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		time.Sleep(time.Hour)
		if asked, _, _ := w.counts(); asked < 200 || asked > 500 {
			t.Errorf("asked %d times in an hour, want about each 10 s", asked)
		}
		w.set(func(w *world) { w.err = nil })
		time.Sleep(13 * time.Second)
		if left := r.Status().Token.Remaining; left == 0 {
			t.Error("13 s after IAM came there is no token, though nobody had to ask")
		}
	})
}

func TestIAMAsksForPatience(t *testing.T) {
	for retryAfter, most := range map[time.Duration]int{30 * time.Second: 160, 24 * time.Hour: 85} {
		synctest.Test(t, func(t *testing.T) {
			busy := &iam.Error{Kind: iam.ResourceExhausted, Message: "too many", RetryAfter: retryAfter}
			w := &world{err: &iamclient.Refusal{Failure: busy, RequestID: "r"}}
			r, err := source.NewRenewer(w, nil, source.Policy{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			time.Sleep(time.Hour)
			if asked, _, _ := w.counts(); asked > most || asked < 40 {
				t.Errorf("told to wait for %v: asked %d times in an hour, want at most %d", retryAfter, asked, most)
			}
		})
	}
}

// What is broken is told once, and that it is good again.
func TestBrokenOriginIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		o := &fragileWorld{world: w}
		r, err := source.NewRenewer(&source.Impersonated{Origin: o, As: o.as}, nil, source.Policy{MinimumLife: 0.9, Log: slog.New(slog.NewTextHandler(w, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		time.Sleep(5 * time.Hour)
		o.broken.Store(true)
		time.Sleep(5 * time.Hour)
		if n := w.logged("is broken"); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
		o.broken.Store(false)
		time.Sleep(5 * time.Hour)
		if w.logged("good again") != 1 || w.logged("is broken") != 1 {
			t.Error("that it is good again is not told, or not once")
		}
	})
}

// stuck is a log that nobody reads any more.
type stuck struct {
	*world
	held, tried chan struct{}
}

func (s stuck) Write([]byte) (int, error) {
	close(s.tried)
	<-s.held
	return 0, io.ErrClosedPipe
}

// Whoever asks waits for no log: neither of the account that has something to
// tell, nor while it waits to tell it.
func TestLogThatIsStuck(t *testing.T) {
	w := &world{}
	log := stuck{w, make(chan struct{}), make(chan struct{})}
	r, err := source.NewRenewerAt(w, w.key, source.Policy{Now: w.now, Log: slog.New(slog.NewTextHandler(log, nil))}, mono)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer close(log.held)
	if _, _, err := tokenOf(t, w, r); err != nil {
		t.Fatal(err)
	}
	w.set(func(w *world) { w.err, w.wallAhead = away(), time.Hour })
	for range 3 {
		asked := make(chan error, 1)
		go func() {
			_, err := r.Token(t.Context())
			_ = r.Status()
			asked <- err
		}()
		select {
		case err := <-asked:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a token is not given because a line cannot be written")
		}
		<-log.tried
	}
}

func TestClosedAsksNoMore(t *testing.T) {
	inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
		r.Close()
		before, _, _ := w.counts()
		time.Sleep(48 * time.Hour)
		if asked, _, _ := w.counts(); asked != before {
			t.Errorf("asked %d times after Close", asked-before)
		}
	})
}

func TestPolicyCheck(t *testing.T) {
	for name, p := range map[string]source.Policy{
		"minimum_life": {MinimumLife: 0.95}, "recheck": {Recheck: time.Second}, "key_life": {KeyLife: time.Minute},
	} {
		_, err := source.NewRenewer(&world{}, nil, p)
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.InvalidArgument || e.Fields[0].Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
