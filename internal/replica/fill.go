package replica

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// loaded is one answer of the store: a value, or that there is none.
type loaded struct {
	key   key
	value any
	bytes int   // what value takes in memory
	err   error // iam.NotFound: remembered as absence
	brief bool  // implied by another answer: not worth an entry
}

// loader reads the wanted keys in one snapshot, and the feed's head there. Its
// first answers are those of want, in the same order; more may follow that came
// along.
type loader func(tx *store.Tx, want []key) ([]loaded, iam.Position, error)

// flight is the one look-up under way for a key. Its fields are set before
// done is closed.
type flight struct {
	done       chan struct{}
	start      iam.Position
	generation uint64

	got  loaded
	head iam.Position // at which got holds
	err  error        // the look-up failed
}

var landed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

var (
	errBehind = errors.New("replica: the snapshot is older than what this node had applied before it")
	errOld    = errors.New("replica: the look-up began before what this node has applied since")
)

// attempts bounds how often a fill starts again because the snapshot was older
// than it should be.
const attempts = 4

// fetch looks the wanted keys up in the store, together and once however many
// ask, and remembers what it finds. Every answer holds at a position between
// the one at which fetch was called and the highest, which is returned; a
// single key's absence is in its answer.
func (r *Replica) fetch(ctx context.Context, want []key, load loader) ([]loaded, iam.Position, error) {
	start := r.Position()
	answers := make([]loaded, len(want))
	open := make([]int, len(want)) // indexes that have no answer yet
	for i := range want {
		open[i] = i
	}
	var highest iam.Position
	for try := 0; ; try++ {
		var again []int
		behind := false
		for n, f := range r.fly(ctx, want, open, load) {
			i := open[n]
			err := f.wait(ctx, start)
			switch {
			case err == nil:
				answers[i], highest = f.got, max(highest, f.head)
			case ctx.Err() != nil:
				return nil, 0, context.Cause(ctx)
			case errors.Is(err, errBehind) || errors.Is(err, errOld) || isContext(err): // the last: whoever flew it has gone away
				again = append(again, i)
				behind = behind || errors.Is(err, errBehind)
			default:
				return nil, 0, err
			}
		}
		if len(again) == 0 {
			return answers, highest, nil
		}
		if try == attempts {
			return nil, 0, &iam.Error{Kind: iam.Unavailable, Message: "The store is behind; try again", RetryAfter: time.Second}
		}
		if behind {
			// A history that went back looks the same: the feed will tell.
			if err := r.poll(ctx); err != nil {
				return nil, 0, err
			}
			start = min(start, r.Position())
		}
		open = again
	}
}

// wait waits for the landing; errOld when it brings less than what was applied
// at start.
func (f *flight) wait(ctx context.Context, start iam.Position) error {
	select {
	case <-f.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.err == nil && f.head < start {
		return errOld
	}
	return f.err
}

// fly returns the flights of want[open...], after flying those that nobody
// else does.
func (r *Replica) fly(ctx context.Context, want []key, open []int, load loader) []*flight {
	flights := make([]*flight, len(open))
	var asked []key
	var mine []*flight
	for n, i := range open {
		var lead bool
		if flights[n], lead = r.join(want[i]); lead {
			asked, mine = append(asked, want[i]), append(mine, flights[n])
		}
	}
	if len(mine) > 0 {
		r.lead(ctx, asked, mine, load)
	}
	return flights
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// join returns the flight of a key, and whether the caller has to fly it.
func (r *Replica) join(k key) (*flight, bool) {
	hash := r.known.hash(k)
	s := r.known.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.flights[k]; ok {
		return f, false
	}
	if e := s.lookup(hash, k); e != nil { // landed since the caller looked
		return &flight{done: landed, got: loaded{key: k, value: e.value}, head: r.Position()}, false
	}
	f := &flight{done: make(chan struct{}), start: r.Position(), generation: s.generation, err: errors.New("replica: look-up ended early")}
	s.flights[k] = f
	return f, true
}

// lead flies the flights of the asked keys in one snapshot and lands them.
func (r *Replica) lead(ctx context.Context, asked []key, mine []*flight, load loader) {
	var extra []loaded
	var head iam.Position
	defer func() { // a panic of load must not leave others waiting
		for n, f := range mine {
			r.land(asked[n], f)
		}
		for _, l := range extra {
			r.keep(l, mine[0], head)
		}
	}()
	got, head, err := r.look(ctx, asked, load)
	if err == nil && head > r.Position() {
		// What is remembered must not run ahead of the position. When the feed
		// cannot be read, the answers are used and not remembered.
		_ = r.CatchUp(ctx, head)
	}
	for n, f := range mine {
		f.head, f.err = head, err
		if err == nil {
			f.got = got[n]
		}
		if err == nil && head < f.start {
			f.err = errBehind
		}
	}
	if err == nil {
		extra = got[len(mine):]
	}
}

// look reads the store in one snapshot when a slot is free.
func (r *Replica) look(ctx context.Context, want []key, load loader) (got []loaded, head iam.Position, err error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	r.misses.Add(uint64(len(want)))
	err = r.cfg.DB.View(ctx, func(tx *store.Tx) (err error) {
		got, head, err = load(tx, want)
		return err
	})
	return got, head, err
}

// land remembers the answer of a flight and lets those who wait go on.
func (r *Replica) land(k key, f *flight) {
	if f.err == nil {
		r.keep(f.got, f, f.head)
	}
	s := r.known.shardOf(r.known.hash(k))
	s.mu.Lock()
	if s.flights[k] == f {
		delete(s.flights, k)
	}
	s.mu.Unlock()
	close(f.done)
}

// keep remembers an answer that a flight brought, unless something newer has
// been applied to its part of the memory since the snapshot, or the snapshot is
// not of this history, or is ahead of the position.
func (r *Replica) keep(l loaded, f *flight, head iam.Position) {
	if l.brief || head < f.start || head > r.Position() {
		return
	}
	m := r.known
	if l.err != nil {
		m, l.value, l.bytes = r.absent, l.err, absenceBytes+len(l.key.a)
	}
	hash := m.hash(l.key)
	s := m.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == f.generation && s.changed <= head {
		s.put(hash, l.key, l.value, l.bytes)
	}
}

// absenceBytes is what an *iam.Error and its text take, about, without the id in it.
const absenceBytes = 224
