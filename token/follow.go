package token

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"
)

// Pace of a follower.
const (
	// minRound is the least time between the starts of two rounds: a feed that
	// never rests is read this often, and a server that does not wait is not
	// hammered.
	minRound   = 250 * time.Millisecond
	minBackoff = 200 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Follow feeds the verifier from its server until ctx ends, and then returns
// the context's error; failures meanwhile go to Config.Report and are tried
// again. Revocations are long-polled, so one is in force here a moment after
// the server publishes it. One Follow at a time.
func (v *Verifier) Follow(ctx context.Context) error {
	if v.config.Local {
		return errors.New("token: a Local verifier follows nobody")
	}
	if !v.following.CompareAndSwap(false, true) {
		return errors.New("token: this verifier is being fed by another Follow")
	}
	defer v.following.Store(false)
	f := &follower{v: v, fetch: newFetcher(v.config.BaseURL, v.config.HTTPClient)}
	defer f.fetch.close()
	backoff := minBackoff
	for {
		began := v.config.Now()
		more, err := f.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v.config.Report(err)
		f.hasty = err != nil
		var pause time.Duration
		switch {
		case err != nil:
			pause = backoff/2 + rand.N(backoff/2)
			backoff = min(2*backoff, maxBackoff)
		case more:
			backoff = minBackoff
		default:
			backoff = minBackoff
			pause = minRound - v.config.Now().Sub(began)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// heard is what outlives one Follow.
type heard struct {
	keys        []PublicKey
	keysHash    [32]byte // of keys; zero: none yet
	confirmedAt time.Time
}

// follower is the state of one Follow.
type follower struct {
	v     *Verifier
	fetch *fetcher
	hasty bool // the last round failed; do not ask the server to wait

	begun    bool // there is a cursor
	cursor   uint64
	loading  bool // a snapshot is being gathered; what was known before still holds
	gathered []Revocation
}

// round asks for one page and applies it. more says that the server has
// further pages at hand.
func (f *follower) round(ctx context.Context) (more bool, err error) {
	query, wait := f.query()
	body, err := f.fetch.get(ctx, RevocationsPath, query, MaxPageBytes, wait)
	if err != nil {
		return false, err
	}
	now := f.v.config.Now()
	page, err := OpenRevocations(body, f.trust(now))
	if err != nil {
		return false, err
	}
	if err := f.accept(page, now); err != nil {
		return false, err
	}
	f.begun, f.cursor = true, page.Through
	if page.Snapshot {
		f.loading, f.gathered = true, nil
	}
	at := f.v.clock(now)
	if f.loading {
		f.gathered = append(f.gathered, page.Entries...)
	} else if err := f.v.know.advance(page.Through, page.Entries, at); err != nil {
		return false, err
	}
	if page.Through < page.Head.Position {
		return true, nil
	}
	return false, f.complete(ctx, page, at)
}

// query asks for what follows the cursor, and to wait for it once all that
// there is has been read.
func (f *follower) query() (url.Values, time.Duration) {
	if !f.begun {
		return nil, 0
	}
	q := url.Values{"after": {strconv.FormatUint(f.cursor, 10)}}
	if f.loading || f.hasty {
		return q, 0
	}
	wait := MaxWait
	if limit := f.v.config.MaxStaleness; limit != NeverStale {
		// A poll that is lost must not make the verifier stale.
		wait = min(wait, limit/3).Truncate(time.Second)
	}
	q.Set("wait", strconv.Itoa(int(wait/time.Second)))
	return q, wait
}

func (f *follower) trust(now time.Time) Trust {
	return Trust{Root: f.v.config.Root, Now: now, Skew: f.v.config.ClockSkew}
}

// accept refuses a genuine page that is not the one to apply next.
func (f *follower) accept(page *RevocationPage, now time.Time) error {
	k := &f.v.know
	if k.version.Load() != 0 {
		k.mu.RLock()
		installation := k.installation
		k.mu.RUnlock()
		if page.Head.Installation != installation {
			return untrusted("the page is of installation %q, not %q", page.Head.Installation, installation)
		}
	} else if limit := f.v.config.MaxStaleness; limit != NeverStale {
		// Nothing was heard before, so only the wall clock can tell an old page
		// that is shown again.
		if age := now.Sub(page.Head.ConfirmedAt); age > limit+f.v.config.ClockSkew {
			return untrusted("the first page was confirmed %v ago by this clock", age)
		}
	}
	if have := max(k.position.Load(), f.cursor); page.Head.Position < have {
		return untrusted("the head went back from %d to %d", have, page.Head.Position)
	}
	switch {
	case page.Snapshot:
	case !f.begun:
		return untrusted("the first page is not a snapshot")
	case page.After != f.cursor:
		return untrusted("the page follows %d, not %d", page.After, f.cursor)
	}
	return nil
}

// complete brings the key set to what the head names, installs a gathered
// snapshot, and only then counts the verifier as fresh. at is the monotonic
// clock when the page arrived.
func (f *follower) complete(ctx context.Context, page *RevocationPage, at int64) error {
	v, head := f.v, &page.Head
	newKeys := v.heard.keysHash != head.KeySetHash
	if newKeys {
		set, err := f.keySet(ctx, head)
		if err != nil {
			return err
		}
		v.heard.keys, v.heard.keysHash = set.Keys, head.KeySetHash
	}
	switch {
	case f.loading:
		s := Snapshot{Installation: head.Installation, Keys: v.heard.keys, Revocations: f.gathered, Position: page.Through}
		if err := v.know.load(s, at); err != nil {
			return err
		}
		f.loading, f.gathered = false, nil
	case newKeys:
		if err := v.know.setKeys(v.heard.keys); err != nil {
			return err
		}
	}
	if head.ConfirmedAt.After(v.heard.confirmedAt) {
		v.heard.confirmedAt = head.ConfirmedAt
		v.fresh.Store(at)
	}
	v.becomeReady()
	return nil
}

// keySet fetches the key set that a head names.
func (f *follower) keySet(ctx context.Context, head *Head) (*KeySet, error) {
	body, err := f.fetch.get(ctx, KeySetPath, nil, MaxKeySetBytes, 0)
	if err != nil {
		return nil, err
	}
	set, err := OpenKeySet(body, f.trust(f.v.config.Now()))
	if err != nil {
		return nil, err
	}
	if set.Head.Installation != head.Installation || set.Head.KeySetHash != head.KeySetHash {
		return nil, fmt.Errorf("key set: it is not the one that the feed names at position %d", head.Position)
	}
	return set, nil
}
