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
	made, life, away := 0, 12*time.Hour, error(nil)
	source := function.Tokens{AtLeast: time.Minute, Now: func() time.Time { return now },
		Make: func(context.Context) (iamclient.Token, error) {
			if away != nil {
				return iamclient.Token{}, away
			}
			made++
			return iamclient.Token{Text: iam.NewSecret(string(rune('a' + made))), ReceivedAt: now, ExpiresAt: now.Add(life)}, nil
		}}
	for _, step := range []struct {
		after time.Duration
		life  time.Duration
		away  error
		made  int
		fails bool
	}{
		{0, 12 * time.Hour, nil, 1, false},
		{8*time.Hour + 59*time.Minute, 12 * time.Hour, nil, 1, false},
		{2 * time.Minute, 12 * time.Hour, nil, 2, false},  // a quarter is left
		{11 * time.Hour, 0, errors.New("away"), 2, false}, // the last one serves
		{59*time.Minute + 30*time.Second, 0, errors.New("away"), 2, true},
		{24 * time.Hour, 30 * time.Second, nil, 3, true}, // the caller's own ends too soon
		{0, 2 * time.Minute, nil, 4, false},
		{-time.Hour, 12 * time.Hour, nil, 5, false}, // the clock was set back
	} {
		now, life, away = now.Add(step.after), step.life, step.away
		got, err := source.Token(t.Context())
		if (err != nil) != step.fails || made != step.made {
			t.Fatalf("%+v: made %d, %v", step, made, err)
		}
		if err == nil && got.ExpiresAt.Sub(now) < time.Minute {
			t.Errorf("%+v: %v left", step, got.ExpiresAt.Sub(now))
		}
	}
}
