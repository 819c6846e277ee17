package source

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

const (
	patience  = 400 * time.Millisecond // of one who could have what there is; the most impatient SDKs wait for 1 s, and an access key may wait twice
	waitLimit = 4 * time.Second        // of one for whom there is nothing; SDKs wait for 5 s
	makeLimit = 20 * time.Second       // for a renewal, with its tries

	firstRetry   = time.Second
	longestRetry = time.Minute
	retryLacking = 10 * time.Second // the longest while there is nothing to serve
	confirmAfter = 2 * time.Second  // a refusal of what was good until now is asked once more: nodes of IAM hear of a change one after another
)

// keeper keeps one credential renewed. It hands out what is fresh enough, lets one
// renewal serve all who wait, and knows when the last one may still be served.
type keeper[T any] struct {
	name    string // for the log
	make    func(context.Context) (T, error)
	times   func(*T) (received, expires *time.Time)
	share   float64       // of its life that what is handed out has left
	recheck time.Duration // <= 0: none
	clock   clock
	log     *slog.Logger
	ctx     context.Context // of all its renewals
	refused func()          // called, if set, when a refusal is certain
	renewed func()          // called, if set, after each renewal

	mu     sync.Mutex
	have   *held[T]
	flight *flight
	drops  int // so that what was under way then is dropped too
	state  state
	wake   chan struct{} // has one when the due time may have come nearer
}

// held is a credential with the time from which its life is counted.
type held[T any] struct {
	value T
	from  moment
	life  time.Duration
	ahead float64 // of the interval after which it is renewed: the jitter
}

// flight is a renewal under way.
type flight struct {
	began time.Duration // by the monotonic clock
	drops int           // of the keeper, when it began
	done  chan struct{}
}

// state is how the last renewals went.
type state struct {
	asked, checked moment // when it was last wanted, and last made anew
	everAsked      bool
	succeeded      time.Time
	failed         time.Time
	failure        error // of the last try; nil when that succeeded
	failures       uint64
	renewals       uint64
	inARow         int           // tries that failed since one succeeded
	refusals       int           // those of them, at the end of the row, that waiting does not mend
	next           time.Duration // by the monotonic clock, before which no try is made after a failure
}

// get is a credential with at least the set part of its life left, or what is
// left of the last one. It fails as Account.Token does.
func (k *keeper[T]) get(ctx context.Context) (T, error) {
	k.mu.Lock()
	now := k.clock.now()
	rested := k.state.everAsked && now.since(k.state.asked) > restAfter
	k.state.asked, k.state.everAsked = now, true
	left := k.left(now)
	if left > 0 && k.fresh(now, left) {
		defer k.mu.Unlock()
		return k.handOut(left), nil
	}
	if k.flight == nil && k.state.failure != nil && now.mono < k.state.next && !rested {
		defer k.mu.Unlock()
		if left > 0 {
			return k.handOut(left), nil
		}
		var none T
		return none, k.shownFailure()
	}
	f := k.start()
	limit := waitLimit
	if left > 0 {
		limit = patience - (now.mono - f.began)
	}
	if left > 0 && (limit <= 0 || k.state.failure != nil) {
		defer k.mu.Unlock()
		return k.handOut(left), nil
	}
	k.mu.Unlock()
	return k.await(ctx, f, limit)
}

// await waits for a renewal and hands out what there is then.
func (k *keeper[T]) await(ctx context.Context, f *flight, limit time.Duration) (none T, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if left := k.left(k.clock.now()); left > 0 {
		return k.handOut(left), nil
	}
	return none, k.shownFailure()
}

// left is what remains of the life of what is held.
func (k *keeper[T]) left(now moment) time.Duration {
	if k.have == nil {
		return 0
	}
	return k.have.life - max(0, now.since(k.have.from))
}

// fresh tells whether what is held may be handed out without a renewal.
func (k *keeper[T]) fresh(now moment, left time.Duration) bool {
	return left >= time.Duration(float64(k.have.life)*k.share) &&
		(k.recheck <= 0 || now.since(k.state.checked) <= k.recheck+k.recheck/4) // the background was to have done it
}

// handOut is a copy whose times are told by this machine's clock as it is now:
// it may have been set since, and stood still while the machine slept.
func (k *keeper[T]) handOut(left time.Duration) T {
	v := k.have.value
	received, expires := k.times(&v)
	*received, *expires = received.Round(0), expires.Round(0) // the monotonic clock is not to be reckoned with
	if now := k.clock.wall().Round(0); (expires.Sub(now) - left).Abs() > 2*time.Second {
		*expires = now.Add(left)
		*received = expires.Add(-k.have.life)
	}
	return v
}

// shownFailure is what whoever asks is told of why there is nothing.
func (k *keeper[T]) shownFailure() error {
	switch err := k.state.failure; {
	case k.state.refusals > 0:
		return iam.Wrap(ErrNoAccount, iam.NotFound, "IAM does not take the credential of this account")
	case err == nil:
		return iam.Errorf(iam.Unavailable, "IAM has not answered yet")
	default:
		return iam.Wrap(err, iam.Unavailable, "IAM cannot be asked for credentials now")
	}
}

// start begins a renewal, or joins the one that is under way. The lock is held.
func (k *keeper[T]) start() *flight {
	if k.flight != nil {
		return k.flight
	}
	f := &flight{began: k.clock.mono(), drops: k.drops, done: make(chan struct{})}
	k.flight = f
	go func() {
		ctx, cancel := context.WithTimeout(k.ctx, makeLimit)
		defer cancel()
		from := k.clock.now() // before it is asked for: IAM counts its life from later on
		v, err := k.make(ctx)
		k.landed(f, v, from, err)
	}()
	return f
}

// landed takes in what a renewal has come to.
func (k *keeper[T]) landed(f *flight, v T, from moment, err error) {
	received, expires := k.times(&v)
	if life := expires.Sub(*received); err == nil && life <= 0 {
		err = iam.Errorf(iam.Unavailable, "what IAM made has ended already")
	}
	tell := func() {}
	k.mu.Lock()
	k.flight = nil
	if err == nil && f.drops != k.drops {
		err = errOutdated
	}
	if err == nil {
		tell = k.succeeded(v, from, expires.Sub(*received))
	} else if k.ctx.Err() == nil {
		tell = k.failed(err)
	}
	ended := k.state.refusals > 0 && k.have == nil
	k.mu.Unlock()
	switch {
	case ended && k.refused != nil:
		k.refused()
	case err == nil && k.renewed != nil:
		k.renewed()
	}
	close(f.done)
	select {
	case k.wake <- struct{}{}:
	default:
	}
	tell() // last, for nobody is to wait for a log that nobody reads
}

// succeeded takes in a new credential; what it returns writes to the log.
func (k *keeper[T]) succeeded(v T, from moment, life time.Duration) (tell func()) {
	failures := k.state.inARow
	k.have = &held[T]{value: v, from: from, life: life, ahead: 0.8 + 0.2*rand.Float64()}
	k.state.checked, k.state.succeeded = from, k.clock.wall()
	k.state.failure, k.state.inARow, k.state.refusals = nil, 0, 0
	k.state.renewals++
	return func() {
		if failures > 0 {
			k.log.Info("renewed again", "what", k.name, "failures", failures)
		}
	}
}

// failed takes in a failure; what it returns writes to the log.
func (k *keeper[T]) failed(err error) (tell func()) {
	tell = func() {}
	now := k.clock.now()
	s := &k.state
	s.failed, s.failure = k.clock.wall(), err
	s.failures++
	s.inARow++
	pause := min(firstRetry<<min(s.inARow-1, 10), longestRetry)
	served := k.left(now) > 0
	switch {
	case !definite(err):
		if s.refusals = 0; !served {
			pause = min(pause, retryLacking)
		}
	default:
		s.refusals++
		if served && s.refusals == 1 {
			pause = confirmAfter
			break
		}
		if k.have != nil || s.refusals == 1 {
			tell = func() {
				k.log.Error("IAM refuses the credential: nothing is served until it takes it again", "what", k.name, "error", err)
			}
		}
		k.have, served = nil, false
	}
	if e, ok := errors.AsType[*iam.Error](err); ok { // IAM may ask for patience, within reason
		pause = max(pause, min(e.RetryAfter, longestRetry))
	}
	s.next = now.mono + time.Duration(float64(pause)*(0.75+rand.Float64()/2))
	if s.inARow == 1 && (served || s.refusals == 0) {
		left := max(0, k.left(now))
		tell = func() {
			k.log.Warn("cannot renew", "what", k.name, "error", err, "served_for", left.Round(time.Second).String())
		}
	}
	return tell
}

// definite tells whether waiting does not mend a failure.
func definite(err error) bool { return errors.Is(err, ErrNoAccount) || iamclient.Definite(err) }

var errOutdated = iam.Errorf(iam.Unavailable, "what it was made of has become another meanwhile")

// drop forgets what is held, because what it was made of is good no more.
func (k *keeper[T]) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.have = nil
	k.drops++
}

// again makes a new credential, or waits for the one that is being made.
func (k *keeper[T]) again(ctx context.Context) {
	k.mu.Lock()
	f := k.start()
	k.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}
