package function

import (
	"context"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

// Tokens keeps one account's token in memory between calls: a process that lives
// longer than any token gets one that is good at each call.
type Tokens struct {
	// Make asks for a new token.
	Make func(ctx context.Context) (iamclient.Token, error)
	Now  func() time.Time
	// AtLeast is what a token must have left to be handed out: a call's length.
	AtLeast time.Duration

	mu    sync.Mutex
	last  iamclient.Token
	again time.Time // when a new one is asked for, after one was not to be had
}

const (
	renewLimit = 10 * time.Second // for asking, while calls wait
	renewPause = 30 * time.Second // between asking, while the last one serves
)

// Token returns the last token while at least a quarter of its life is left,
// otherwise a new one. When none is to be had, the last one serves as long as it
// is good for AtLeast. One that would end sooner is an error, UNAVAILABLE.
func (t *Tokens) Token(ctx context.Context) (iamclient.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	left := t.last.ExpiresAt.Sub(now)
	back := now.Before(t.last.ReceivedAt.Add(-time.Minute)) // the clock was set
	if life := t.last.ExpiresAt.Sub(t.last.ReceivedAt); left >= t.AtLeast && left > life/4 && !back {
		return t.last, nil
	}
	if left >= t.AtLeast && now.Before(t.again) && !back {
		return t.last, nil
	}
	limited, cancel := context.WithTimeout(ctx, renewLimit)
	defer cancel()
	made, err := t.Make(limited)
	t.again = t.Now().Add(renewPause)
	switch {
	case err == nil && made.ExpiresAt.Sub(t.Now()) >= t.AtLeast:
		t.last = made
		return made, nil
	case ctx.Err() == nil && left > 0 && left >= t.AtLeast:
		return t.last, nil
	case err != nil:
		return iamclient.Token{}, err
	}
	return iamclient.Token{}, iam.Errorf(iam.Unavailable, "a token that may live as long as the caller's own would end within %v: sign in anew", t.AtLeast)
}
