package signin

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// HasherConfig says how much of the machine hashing may take.
type HasherConfig struct {
	Cost    Parameters
	AtOnce  int     // computations at a time
	Waiting int     // callers that wait for their turn besides; more are sent away
	Share   float64 // seconds of computing per second in the long run; 0 bounds nothing
	Now     Clock
}

// burst is how much computing may be done before Share counts: some dozens of
// people who come at once do not wait for each other.
const burst = time.Second

// Hasher computes password hashes, few at a time. A storm of wrong passwords
// fills its queue and not the machine: the rest goes on beside it. It is safe for
// use by many goroutines.
type Hasher struct {
	cfg   HasherConfig
	room  room
	done  atomic.Uint64
	turns chan struct{}
	dummy hashed // of nobody; what unknown logins are compared with

	mu   sync.Mutex
	left time.Duration // of the share; below zero: owed
	at   time.Time     // when left was right

	compute func(func()) // runs one computation; a test looks on
}

// NewHasher makes a hasher that has used nothing of its share.
func NewHasher(cfg HasherConfig) *Hasher {
	h := &Hasher{cfg: cfg, room: newRoom(cfg.AtOnce + cfg.Waiting), turns: make(chan struct{}, cfg.AtOnce), left: burst, at: cfg.Now(), compute: func(f func()) { f() }}
	// Nobody's password has a hash that begins with 32 zeros; making a true one
	// would cost every start the time of a sign-in.
	h.dummy = hashed{cfg.Cost, make([]byte, saltSize), make([]byte, hashSize)}
	return h
}

// Hash makes the PHC string of a password when its turn has come. It fails as
// ctx does while it waits.
func (p *Place) Hash(ctx context.Context, password iam.Secret) (phc string, err error) {
	err = p.h.take(ctx, func() { phc = p.h.cfg.Cost.hash(normal(password)).String() })
	return phc, err
}

// Verify tells whether a PHC string is of a password; "" is of none, and costs
// as much to find out. stale tells that it was made at another cost than new ones.
func (p *Place) Verify(ctx context.Context, phc string, password iam.Secret) (ok, stale bool, err error) {
	kept := p.h.dummy
	if phc != "" {
		if kept, err = parsePHC(phc); err != nil {
			return false, false, iam.Wrap(err, iam.Internal, "A password is kept in a form that cannot be read")
		}
	}
	err = p.h.take(ctx, func() { ok = kept.fits(normal(password)) })
	return ok && phc != "" && err == nil, kept.Parameters != p.h.cfg.Cost, err
}

// Computed is how many hashes were.
func (h *Hasher) Computed() uint64 { return h.done.Load() }

// take waits for a turn and for the share, and computes.
func (h *Hasher) take(ctx context.Context, f func()) error {
	select {
	case h.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.turns }()
	if err := h.rest(ctx); err != nil {
		return err
	}
	began := h.cfg.Now()
	h.compute(f)
	h.spend(h.cfg.Now().Sub(began))
	h.done.Add(1)
	return nil
}

// rest waits until something of the share is left.
func (h *Hasher) rest(ctx context.Context) error {
	if h.cfg.Share <= 0 {
		return nil
	}
	for {
		h.mu.Lock()
		now := h.cfg.Now()
		if passed := now.Sub(h.at); passed > 0 {
			h.left = min(burst, h.left+time.Duration(float64(passed)*h.cfg.Share))
		}
		h.at = now
		owed := -h.left
		h.mu.Unlock()
		if owed < 0 {
			return nil
		}
		t := time.NewTimer(time.Duration(float64(owed)/h.cfg.Share) + time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func (h *Hasher) spend(took time.Duration) {
	h.mu.Lock()
	h.left -= max(took, 0)
	h.mu.Unlock()
}
