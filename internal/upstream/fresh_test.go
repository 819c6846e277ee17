package upstream_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/upstream"
)

// Who has to prove himself anew is asked by the provider, whatever session he has
// there; one that tells when it has asked is held to that.
func TestFresh(t *testing.T) {
	w := newWorld(t)
	j, err := w.room.Begin(t.Context(), "one", back)
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := url.Parse(j.URL); u.Query().Has("prompt") || u.Query().Has("max_age") {
		t.Errorf("everybody is asked again: %s", j.URL)
	}
	for what, c := range map[string]struct {
		ago time.Duration
		ok  bool
	}{"just now": {0, true}, "a clock behind": {50 * time.Second, true}, "before he set out": {3 * time.Minute, false}, "yesterday": {24 * time.Hour, false}, "not told": {-1, true}} {
		j, err := w.room.BeginAnew(t.Context(), "one", back)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(j.URL)
		if u.Query().Get("prompt") != "login" || u.Query().Get("max_age") != "0" {
			t.Fatalf("the provider is not told: %s", j.URL)
		}
		w.p.Change(func(_, c2 claims) {
			if c.ago >= 0 {
				c2["auth_time"] = w.now().Add(-c.ago).Unix()
			}
		})
		back2, _ := url.Parse(w.p.Allow(j.URL, alice))
		a := upstream.Answer{Code: iam.NewSecret(back2.Query().Get("code")), Issuer: w.p.URL, Browser: j.Browser, Back: back, Since: w.now()}
		who, err := w.room.Finish(t.Context(), "one", a)
		if !c.ok {
			refused(t, what, err, iam.Unauthenticated, "provider_stale")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if told := !who.AuthenticatedAt.IsZero(); told != (c.ago >= 0) || told && w.now().Sub(who.AuthenticatedAt) > c.ago+2*time.Second {
			t.Errorf("%s: %v", what, who.AuthenticatedAt)
		}
	}
	// A time that is none proves nothing to whom it matters.
	for _, odd := range []any{"yesterday", -5, 1e300, []int{1}} {
		w.p.Change(func(_, c claims) { c["auth_time"] = odd })
		a := w.journey(alice)
		if _, err := w.room.Finish(t.Context(), "one", a); err != nil {
			t.Errorf("%v: %v", odd, err)
		}
		a = w.journey(alice)
		a.Since = w.now()
		_, err := w.room.Finish(t.Context(), "one", a)
		refused(t, "an odd time", err, iam.Unauthenticated, "provider_stale")
	}
	w.p.Change(func(_, c claims) { c["auth_time"] = w.now().Add(time.Hour).Unix() })
	if who, err := w.signIn(alice); err != nil || who.AuthenticatedAt.After(w.now()) {
		t.Errorf("from the future: %+v, %v", who, err)
	}
}
