package function_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

func tokens(t iamclient.Token) func(context.Context) (iamclient.Token, error) {
	return func(context.Context) (iamclient.Token, error) { return t, nil }
}

// TestTokens: a process that lives long gets tokens that are good, from few calls.
func TestTokens(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	asked, life, away := 0, 12*time.Hour, error(nil)
	source := function.Tokens{AtLeast: time.Minute, Now: func() time.Time { return now },
		Make: func(ctx context.Context) (iamclient.Token, error) {
			asked++
			if _, limited := ctx.Deadline(); !limited {
				t.Error("nothing limits it")
			}
			return iamclient.Token{Text: iam.NewSecret("token"), ReceivedAt: now, ExpiresAt: now.Add(life)}, away
		}}
	gone := errors.New("away")
	for _, step := range []struct {
		after time.Duration
		life  time.Duration
		away  error
		asked int
		fails bool
	}{
		{0, 12 * time.Hour, nil, 1, false},
		{8*time.Hour + 59*time.Minute, 12 * time.Hour, nil, 1, false},
		{2 * time.Minute, 12 * time.Hour, nil, 2, false}, // a quarter is left
		{11 * time.Hour, 0, gone, 3, false},              // the last one serves
		{29 * time.Second, 0, gone, 3, false},            // and not every call asks
		{2 * time.Second, 0, gone, 4, false},
		{59 * time.Minute, 0, gone, 5, true},
		{time.Second, 0, gone, 6, true},
		{24 * time.Hour, 30 * time.Second, nil, 7, true}, // the caller's own ends too soon
		{0, 2 * time.Minute, nil, 8, false},
		{-time.Hour, 12 * time.Hour, nil, 9, false}, // the clock was set back
	} {
		now, life, away = now.Add(step.after), step.life, step.away
		got, err := source.Token(t.Context())
		if (err != nil) != step.fails || asked != step.asked {
			t.Fatalf("%+v: asked %d times, %v", step, asked, err)
		}
		if err == nil && got.ExpiresAt.Sub(now) < time.Minute {
			t.Errorf("%+v: %v left", step, got.ExpiresAt.Sub(now))
		}
	}
}
