package source_test

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata/source"
)

var (
	source403   = iamclient.Refusal{Failure: iam.Errorf(iam.PermissionDenied, "unexpected HTTP status code received from server: 403 (Forbidden)")}
	sourceClock = iamclient.Refusal{Failure: iam.Errorf(iam.Unauthenticated, "The JWT has expired"), RequestID: "req-2"}
)

// Whatever is done to the clocks, a token is served for its life and no longer,
// and its end is told by the wall clock of the moment.
func TestClocksJump(t *testing.T) {
	for name, tc := range map[string]struct {
		jump time.Duration // of the wall clock, of which the monotonic one knows nothing
		left time.Duration // of the old token afterwards; 0: none
	}{
		"an hour back":      {jump: -time.Hour, left: tokenLife},
		"ten years back":    {jump: -10 * 365 * 24 * time.Hour, left: tokenLife},
		"an hour on":        {jump: time.Hour, left: tokenLife - time.Hour},
		"a year on":         {jump: 365 * 24 * time.Hour},
		"8 h of sleep":      {jump: 8 * time.Hour, left: tokenLife - 8*time.Hour},
		"a weekend's sleep": {jump: 60 * time.Hour},
	} {
		t.Run(name+", IAM away", func(t *testing.T) {
			inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
				w.set(func(w *world) { w.err = away(); w.wallAhead += tc.jump })
				text, left, err := tokenOf(t, w, r)
				if tc.left == 0 {
					if iam.KindOf(err) != iam.Unavailable {
						t.Fatalf("%q with %v left, %v; want UNAVAILABLE", text, left, err)
					}
					return
				}
				if err != nil || text != "t1.token-1" || (left-tc.left).Abs() > 10*time.Second {
					t.Fatalf("%q with %v left, %v; want the first token with %v left", text, left, err, tc.left)
				}
			})
		})
		t.Run(name+", IAM there", func(t *testing.T) {
			inBubble(t, source.Policy{}, func(t *testing.T, w *world, r *source.Renewer) {
				w.set(func(w *world) { w.wallAhead += tc.jump })
				time.Sleep(time.Minute)
				if _, left, err := tokenOf(t, w, r); err != nil || left < tokenLife/2 {
					t.Fatalf("%v left, %v; want half of a life at least", left, err)
				}
				asked, _, _ := w.counts()
				time.Sleep(time.Hour)
				if after, _, _ := w.counts(); after > asked+2 {
					t.Errorf("asked %d times in an idle hour after the jump", after-asked)
				}
			})
		})
	}
}
