package token

import (
	"crypto/ed25519"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Verifier tells whether a token is good, without a call per token. It fails
// closed: before it has a complete snapshot, and once that is staler than its
// owner allows, it takes nothing. Safe for concurrent use.
type Verifier struct {
	config Config
	start  time.Time // origin of the monotonic clock
	skew   int64     // milliseconds
	seen   *memory
	know   knowledge

	fresh atomic.Int64 // monotonic clock when confirmed-at last advanced
	ready chan struct{}
	once  sync.Once

	following atomic.Bool // guards heard
	heard     heard
}

// NewVerifier returns a verifier that takes nothing until it is fed, by Follow
// or, when Local, by Load. All problems of the config are reported at once.
func NewVerifier(c Config) (*Verifier, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return &Verifier{
		config: c,
		start:  c.Now(),
		skew:   c.ClockSkew.Milliseconds(),
		seen:   newMemory(c.MaxTokens),
		ready:  make(chan struct{}),
	}, nil
}

// Verify returns the claims of a good token and otherwise an error that is one
// of ErrStale, ErrMalformed, ErrInstallation, ErrUnknownKey, ErrSignature,
// ErrExpired, ErrNotYetValid and ErrRevoked, looked for in this order. The
// claims are shared with other callers and must not be changed. A token seen
// before costs no allocation.
func (v *Verifier) Verify(s string) (*Claims, error) {
	now := v.config.Now()
	known := v.know.version.Load()
	if known == 0 || v.stale(now) {
		return nil, ErrStale
	}
	e := v.seen.find(s)
	if e == nil {
		return v.firstSight(s, now, known)
	}
	if err := v.checkTimes(e, now); err != nil {
		return nil, err
	}
	if e.checked.Load() == known {
		return &e.claims, nil
	}
	return v.finish(e, known)
}

// firstSight does the whole work and remembers a token whose signature is good.
func (v *Verifier) firstSight(s string, now time.Time, known uint64) (*Claims, error) {
	var p parsed
	if err := p.parse(s); err != nil {
		return nil, err
	}
	issued := p.claims.IssuedAt.UnixMilli()
	key, err := v.know.key(&p.claims, issued)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(key.key, []byte(s[:p.signed]), p.signature[:]) {
		return nil, ErrSignature
	}
	e := &entry{text: s, claims: p.claims, issued: issued, expires: p.claims.ExpiresAt.UnixMilli(), key: key}
	if err := v.checkTimes(e, now); err != nil {
		return nil, err
	}
	e.depends = make([][16]byte, len(p.claims.DependsOn))
	for i, d := range p.claims.DependsOn {
		e.depends[i] = HashID(d.Kind, d.ID)
	}
	v.seen.add(e, now.UnixMilli())
	return v.finish(e, known)
}

// finish asks what is known about the token and notes under which version.
func (v *Verifier) finish(e *entry, known uint64) (*Claims, error) {
	if err := v.know.check(e); err != nil {
		return nil, err
	}
	e.checked.Store(known)
	return &e.claims, nil
}

func (v *Verifier) checkTimes(e *entry, now time.Time) error {
	milli := now.UnixMilli()
	if milli >= e.expires {
		return ErrExpired
	}
	if milli+v.skew < e.issued {
		return ErrNotYetValid
	}
	return nil
}

func (v *Verifier) stale(now time.Time) bool {
	limit := v.config.MaxStaleness
	return !v.config.Local && limit != NeverStale && v.clock(now)-v.fresh.Load() > int64(limit)
}

// clock is the verifier's monotonic clock, in nanoseconds since it was made.
func (v *Verifier) clock(now time.Time) int64 { return int64(now.Sub(v.start)) }

var errNotLocal = errors.New("token: this verifier follows a server; its owner does not feed it")

// Load replaces all that a Local verifier knows; from then on it answers. When
// Load, Advance or SetKeys has returned, every later Verify sees its effect.
func (v *Verifier) Load(s Snapshot) error {
	if !v.config.Local {
		return errNotLocal
	}
	if err := v.know.load(s, v.clock(v.config.Now())); err != nil {
		return err
	}
	v.becomeReady()
	return nil
}

// Advance tells a Local verifier the revocations up to a position of the feed.
// Their order does not matter. An error says that the position went back or
// that nothing was loaded before; then Load is due.
func (v *Verifier) Advance(position uint64, revoked []Revocation) error {
	if !v.config.Local {
		return errNotLocal
	}
	return v.know.advance(position, revoked, v.clock(v.config.Now()))
}

// SetKeys replaces the keys that a Local verifier knows.
func (v *Verifier) SetKeys(keys []PublicKey) error {
	if !v.config.Local {
		return errNotLocal
	}
	return v.know.setKeys(keys)
}

// Ready is closed when the first complete snapshot is there.
func (v *Verifier) Ready() <-chan struct{} { return v.ready }

func (v *Verifier) becomeReady() { v.once.Do(func() { close(v.ready) }) }

// Status is what an operator wants to see of a verifier.
type Status struct {
	Ready       bool          // a snapshot is there and not stale: tokens are being taken
	Position    uint64        // of the feed, up to which revocations are known
	Age         time.Duration // since the server was last known to be up to date; 0 when Local
	Keys        int
	Revocations int // live ones
	Tokens      int // remembered
}

// Status counts; it is not for every request.
func (v *Verifier) Status() Status {
	now := v.config.Now()
	s := Status{Position: v.know.position.Load(), Tokens: v.seen.size()}
	s.Keys, s.Revocations = v.know.counts()
	s.Ready = v.know.version.Load() != 0 && !v.stale(now)
	if !v.config.Local {
		s.Age = time.Duration(v.clock(now) - v.fresh.Load())
	}
	return s
}
