package source_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/metadata/source"
)

func TestAccessKeysAreMadeWhenAskedFor(t *testing.T) {
	inBubble(t, source.Policy{KeyLife: time.Hour, Recheck: -1}, func(t *testing.T, w *world, r *source.Renewer) {
		time.Sleep(24 * time.Hour)
		if _, _, keys := w.counts(); keys != 0 {
			t.Fatalf("%d keys were made for nobody", keys)
		}
		for range 200 {
			key, err := r.AccessKey(t.Context())
			if left := key.ExpiresAt.Sub(w.now()); err != nil || left < 30*time.Minute || left > time.Hour {
				t.Fatalf("%v left, %v; want half an hour to an hour", left, err)
			}
			time.Sleep(5 * time.Minute)
		}
		if _, _, keys := w.counts(); keys < 1000/30 || keys > 1000/20 {
			t.Errorf("%d keys in 1000 min, want one in 24 to 30 min", keys)
		}
		time.Sleep(90 * time.Minute) // the last ones who asked are gone
		_, _, before := w.counts()
		time.Sleep(24 * time.Hour)
		if _, _, keys := w.counts(); keys != before {
			t.Errorf("%d keys were made for nobody", keys-before)
		}
		if key, err := r.AccessKey(t.Context()); err != nil || key.ExpiresAt.Sub(w.now()) < 30*time.Minute {
			t.Errorf("after a rest: %v, %v", key.ExpiresAt, err)
		}
	})
}

// Somebody has ended the one token that is held: the account is as good as before.
func TestEndedTokenMakesNoKeysButAnotherDoes(t *testing.T) {
	inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
		text, _, err := tokenOf(t, w, r)
		if err != nil {
			t.Fatal(err)
		}
		w.set(func(w *world) { w.dead = text })
		if _, err := r.AccessKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now, _, err := tokenOf(t, w, r); err != nil || now == text {
			t.Errorf("the ended token is still served: %v", err)
		}
	})
}

// What was made with a key or a token that somebody has ended is of no use, however
// long it seems to live.
func TestKeysAreRechecked(t *testing.T) {
	inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
		first, err := r.AccessKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); ; time.Sleep(30 * time.Second) {
			key, err := r.AccessKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if key.ID != first.ID {
				break
			}
			if time.Since(began) > 13*time.Minute {
				t.Fatalf("the key is served after %s", time.Since(began))
			}
		}
		w.set(func(w *world) { w.keyErr = away() })
		for range 60 {
			if _, err := r.AccessKey(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestKeysAloneAreRefused(t *testing.T) {
	inBubble(t, source.Policy{KeyLife: time.Hour}, func(t *testing.T, w *world, r *source.Renewer) {
		if _, err := r.AccessKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.set(func(w *world) { w.keyErr = refusal(iam.PermissionDenied) })
		time.Sleep(35 * time.Minute)
		if _, err := r.AccessKey(t.Context()); !errors.Is(err, source.ErrNoAccount) {
			t.Errorf("got %v, want ErrNoAccount", err)
		}
		if _, _, err := tokenOf(t, w, r); err != nil {
			t.Errorf("tokens are not refused, but: %v", err)
		}
		w.set(func(w *world) { w.keyErr = away() })
		time.Sleep(5 * time.Minute)
		if _, err := r.AccessKey(t.Context()); iam.KindOf(err) != iam.Unavailable {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
	})
}

func TestNoKeysAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := source.NewRenewer(&world{}, nil, source.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.AccessKey(t.Context()); !errors.Is(err, source.ErrNoAccount) {
			t.Errorf("got %v, want ErrNoAccount", err)
		}
	})
}
