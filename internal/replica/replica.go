// Package replica is what a node remembers of the store: bounded caches, kept
// honest by the change feed, and the position that the node has applied.
//
// What it promises. A value returned is the store's at the position asked or a
// later one: when an Update of this node has returned, no read here shows what
// was before it; a change made elsewhere is seen within the poll interval. All
// reads of one Consistent hold at one position. Memory is bounded in bytes, and
// a scan or a flood of made-up ids pushes out neither the other's nor what is
// in use. Reads of what is remembered take no lock and allocate nothing.
//
// It never decides anything and never writes to the store. Values it returns
// are shared: they must only be read.
package replica

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// Config is what a replica needs. Only DB is required.
type Config struct {
	DB       *store.DB
	MaxBytes int64            // of remembered values; 0 means 64 MiB, less than 256 KiB counts as that. Taken as needed
	MaxFills int              // look-ups in the store at one time; 0 means 32
	Poll     time.Duration    // between looks at the feed; 0 means 250 ms
	Now      func() time.Time // time.Now when nil
	Log      *slog.Logger     // told when the feed is lost and found; nil: nobody
	Open     Opener           // opens the secrets of static access keys; nil: they cannot be looked up
}

// Opener opens what was sealed for a place; *seal.Box has one.
type Opener func(at seal.Place, sealed []byte) ([]byte, error)

// Replica remembers. Safe for concurrent use.
type Replica struct {
	cfg           Config
	openAccessKey loader
	known         *memory
	absent        *memory // apart, so that made-up ids push out nothing that exists
	answers       *memory // of View.Bound, made of what is known; see answer
	slots         chan struct{}
	woken         chan struct{}

	position atomic.Uint64
	epoch    atomic.Uint64 // grows with every application: equal before and after means nothing moved
	moved    moved
	heard    atomic.Int64 // when the feed was last read to its end, microseconds
	misses   atomic.Uint64
	forgot   atomic.Uint64

	mu          sync.Mutex // one applies at a time; guards what follows
	nonce       string     // of the feed's entry at position
	generation  uint64
	subscribers []func([]store.Entry)
}

const (
	defaultBytes = 64 << 20
	leastBytes   = 256 << 10
	defaultFills = 32
	defaultPoll  = 250 * time.Millisecond
)

// New makes a replica and sets the database's AfterCommit hook, so that a
// change is in force here when its Update returns. Call Start before use.
func New(cfg Config) *Replica {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultBytes
	}
	cfg.MaxBytes = max(cfg.MaxBytes, leastBytes)
	if cfg.MaxFills <= 0 {
		cfg.MaxFills = defaultFills
	}
	if cfg.Poll <= 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	seed := maphash.MakeSeed()
	r := &Replica{
		cfg: cfg, openAccessKey: openAccessKeys(cfg.Open), slots: make(chan struct{}, cfg.MaxFills), woken: make(chan struct{}, 1),
		known:   newMemory(seed, cfg.MaxBytes/8*6),
		absent:  newMemory(seed, cfg.MaxBytes/8),
		answers: newMemory(seed, cfg.MaxBytes/8),
	}
	cfg.DB.AfterCommit(r.afterCommit)
	return r
}

// Position is the place in the change feed that this node has applied. Reads
// made after the call show at least that state. One atomic load.
func (r *Replica) Position() iam.Position { return iam.Position(r.position.Load()) }

// Heard is when the feed was last read to its end; what is remembered may be
// as old as that. Zero before the first time.
func (r *Replica) Heard() time.Time {
	if us := r.heard.Load(); us != 0 {
		return time.UnixMicro(us).UTC()
	}
	return time.Time{}
}

// Stats tell how much is remembered.
type Stats struct {
	Entries, Absent int
	Bytes           int64  // in all, as accounted
	Misses          uint64 // keys looked up in the store, since New
	Forgotten       uint64 // times everything was forgotten, since New
}

// Stats adds up the shards; cheap enough for a metrics page.
func (r *Replica) Stats() Stats {
	entries, bytes := r.known.size()
	absent, absentBytes := r.absent.size()
	_, answerBytes := r.answers.size()
	return Stats{Entries: entries, Absent: absent, Bytes: bytes + absentBytes + answerBytes, Misses: r.misses.Load(), Forgotten: r.forgot.Load()}
}

// OnApply adds a function that is handed the feed's entries in their order,
// after the caches have taken them and before Position shows them. Nil instead
// of entries means that history was lost or replaced: load anew. It must be
// quick, must not read through the replica, and is set before Start.
func (r *Replica) OnApply(fn func(entries []store.Entry)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers = append(r.subscribers, fn)
}

// Start jumps to the head of the feed, whatever came before.
func (r *Replica) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.restart(ctx)
}

// Run reads the feed until ctx ends, and returns its cause. While the store
// cannot be read it goes on trying: what is remembered stays.
func (r *Replica) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Poll)
	defer tick.Stop()
	lost := false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		case <-r.woken:
		}
		err := r.poll(ctx)
		if ctx.Err() != nil {
			continue // the next turn returns
		}
		if err != nil && !lost {
			r.cfg.Log.WarnContext(ctx, "the change feed cannot be read", "error", err, "position", uint64(r.Position()))
		}
		if err == nil && lost {
			r.cfg.Log.InfoContext(ctx, "the change feed is read again", "position", uint64(r.Position()))
		}
		lost = err != nil
	}
}

// pollTimeout bounds one look at the feed: a store that hangs counts as away.
const pollTimeout = 10 * time.Second

func (r *Replica) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read(ctx)
}

// CatchUp returns when the node has applied the feed up to a position.
func (r *Replica) CatchUp(ctx context.Context, at iam.Position) error {
	if r.Position() >= at {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Position() >= at { // somebody else has just read it
		return nil
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	if r.Position() < at {
		return iam.Errorf(iam.Unavailable, "The store's change feed ends at %d, before %d", r.Position(), at)
	}
	return nil
}

// afterCommit puts a change of this node in force. When the feed cannot be
// read, all is forgotten: slow is right, old is not.
func (r *Replica) afterCommit(ctx context.Context, at iam.Position) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	err := r.CatchUp(ctx, at)
	if err == nil {
		return
	}
	r.cfg.Log.WarnContext(ctx, "a committed change could not be read back: all is forgotten", "error", err, "position", uint64(at))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(r.Position(), r.nonce)
}
