package upstream

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	freshFor  = time.Hour        // after which it is asked for again
	staleFor  = 24 * time.Hour   // for which it is used when that fails
	againWait = 10 * time.Second // between two requests, whatever came of the first
)

// remembered is something that a provider publishes. One request at a time asks for
// it, for all who wait.
type remembered[T any] struct {
	mu      sync.Mutex
	value   T
	fetched time.Time     // zero: never
	asked   time.Time     // when the last request began
	failure error         // of the last request
	busy    chan struct{} // closed when the request under way has ended; nil: none is
}

// get is the value, asked for when it is missing or old, or anyway when it is known
// to lack something; a recent request keeps others from being made.
func (r *remembered[T]) get(ctx context.Context, now func() time.Time, lacking bool, fetch func(context.Context) (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now()
	fresh := !r.fetched.IsZero() && at.Sub(r.fetched) < freshFor
	early := !r.asked.IsZero() && at.Sub(r.asked) < againWait
	if r.busy == nil && (!fresh || lacking) && !early {
		r.asked, r.busy = at, make(chan struct{})
		// Whoever asked first may go away: others wait for the same.
		go r.fetch(context.WithoutCancel(ctx), at, fetch)
	}
	if done := r.busy; done != nil && (!fresh || lacking) {
		r.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
		}
		r.mu.Lock()
		if err := ctx.Err(); err != nil {
			var none T
			return none, err
		}
	}
	if !r.fetched.IsZero() && at.Sub(r.fetched) < staleFor {
		return r.value, nil
	}
	var none T
	if r.failure == nil {
		return none, errors.New("nothing has been published")
	}
	return none, r.failure
}

func (r *remembered[T]) fetch(ctx context.Context, at time.Time, fetch func(context.Context) (T, error)) {
	ctx, stop := context.WithTimeout(ctx, longestAnswer)
	defer stop()
	value, err := fetch(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure = err; err == nil {
		r.value, r.fetched = value, at
	}
	close(r.busy)
	r.busy = nil
}
