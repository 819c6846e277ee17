package revocation

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// Keys is what the list needs of the keyring.
type Keys interface {
	Installation() string
	PublicKeys() []token.PublicKey
	FeedSigner(now time.Time) (token.FeedSigner, error)
	// Reload reads the keys anew; PublicKeys then tells of every change
	// committed before.
	Reload(ctx context.Context) error
}

// Config is what a List needs.
type Config struct {
	DB       *store.DB
	Keys     Keys
	Verifier *token.Verifier // this server's own, Local
	// CatchUp returns when Notice has been called for every change up to a
	// position.
	CatchUp func(ctx context.Context, at iam.Position) error
	Now     func() time.Time
	// Report, if set, is told what failed where nobody waits for an answer.
	Report func(error)
}

// List is what this node knows of revocations. It is safe for use by many
// goroutines.
type List struct {
	config Config

	feeding sync.Mutex // held while the verifier is told something
	loaded  bool
	fed     iam.Position // the entry of the change feed that the verifier was told last
	behind  atomic.Bool  // something is missing that could not be loaded

	// What Notice has seen; written under feeding, woken is closed and replaced.
	dirty atomic.Uint64 // newest entry that changes what is published
	keys  atomic.Uint64 // newest entry that changes the signing keys
	woken atomic.Pointer[chan struct{}]

	published atomic.Pointer[state]
	turn      chan struct{} // taken by the one that reads the store for all
}

// NewList makes a list that knows nothing until Load.
func NewList(c Config) (*List, error) {
	if c.DB == nil || c.Keys == nil || c.Verifier == nil || c.CatchUp == nil || c.Now == nil {
		return nil, errors.New("revocation: Config needs DB, Keys, Verifier, CatchUp and Now")
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	l := &List{config: c, turn: make(chan struct{}, 1)}
	l.woken.Store(new(make(chan struct{})))
	return l, nil
}

// Load tells the verifier everything that the store holds. Call it once Notice
// is being called for every entry, so that nothing falls between the two.
func (l *List) Load(ctx context.Context) error {
	l.feeding.Lock()
	defer l.feeding.Unlock()
	return l.load(ctx)
}

func (l *List) load(ctx context.Context) error {
	var rows []store.Revocation
	var head iam.Position
	err := l.config.DB.View(ctx, func(tx *store.Tx) (err error) {
		if head, err = tx.Head(); err != nil {
			return err
		}
		rows, err = store.ListRevocations(tx, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	err = l.config.Verifier.Load(token.Snapshot{
		Installation: l.config.Keys.Installation(), Keys: l.config.Keys.PublicKeys(),
		Revocations: entries(fromRows(rows)), Position: uint64(head),
	})
	if err != nil {
		return fmt.Errorf("load verifier: %w", err)
	}
	// The keyring tells of keys it read before or meanwhile.
	if err := l.config.Keys.Reload(ctx); err != nil {
		return err
	}
	l.loaded, l.fed = true, head
	l.behind.Store(false)
	l.dirty.Store(uint64(head))
	l.keys.Store(uint64(head))
	l.wake()
	return nil
}

// KeysChanged tells the verifier of new signing keys: it is what the keyring
// calls, once Load has been called, whenever it has read them.
func (l *List) KeysChanged(keys []token.PublicKey) {
	select {
	case <-l.config.Verifier.Ready():
	default:
		return // Load will tell them
	}
	if err := l.config.Verifier.SetKeys(keys); err != nil {
		l.config.Report(err)
	}
}

// Notice tells the list what has just been applied from the change feed, in
// order: when it returns, this node's verifier refuses what was ended. Nil
// entries, or a gap in the numbers, mean that the reader began anew; then
// everything is loaded anew.
func (l *List) Notice(applied []store.Entry) {
	l.feeding.Lock()
	defer l.feeding.Unlock()
	if !l.loaded {
		return // Load will read it all
	}
	if len(applied) == 0 || applied[0].Seq > l.fed+1 {
		l.catchUp()
		return
	}
	var ended []token.Revocation
	var dirty, keys uint64
	last := l.fed
	for _, e := range applied {
		for _, c := range e.Changes {
			switch c.Kind {
			case store.ChangeRevocation:
				r, err := parseChange(c.Key, e.Seq)
				if err != nil {
					l.config.Report(err)
					l.catchUp()
					return
				}
				ended = append(ended, r)
				dirty = uint64(e.Seq)
			case store.ChangeSigningKeys:
				dirty, keys = uint64(e.Seq), uint64(e.Seq)
			}
		}
		last = max(last, e.Seq)
	}
	if err := l.config.Verifier.Advance(uint64(last), ended); err != nil {
		l.config.Report(err)
		l.catchUp()
		return
	}
	l.fed = last
	if dirty > 0 {
		l.dirty.Store(max(dirty, l.dirty.Load()))
		l.keys.Store(max(keys, l.keys.Load()))
		l.wake()
	}
}

// parseChange reads the hash that the feed carries; the kind within it is told
// apart by the hash itself.
func parseChange(key string, seq iam.Position) (token.Revocation, error) {
	r := token.Revocation{Seq: uint64(seq)}
	if n, err := hex.Decode(r.Hash[:], []byte(key[:min(len(key), 2*len(r.Hash))])); err != nil || n != len(r.Hash) || len(key) != 2*n {
		return r, fmt.Errorf("revocation: change %d names no hash", seq)
	}
	return r, nil
}

const loadTimeout = 10 * time.Second

// catchUp loads everything anew. When that fails this node does not know what
// was ended, and takes no token until Run or the next Notice has succeeded.
func (l *List) catchUp() {
	l.behind.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	if err := l.load(ctx); err != nil {
		l.config.Report(err)
	}
}

// Verify is the verifier's, but token.ErrStale while this node knows that it
// misses revocations.
func (l *List) Verify(text string) (*token.Claims, error) {
	if l.behind.Load() {
		return nil, token.ErrStale
	}
	return l.config.Verifier.Verify(text)
}

// Ended is the verifier's, but token.ErrStale while this node knows that it
// misses revocations.
func (l *List) Ended(position uint64, depends []token.Dependency) error {
	if l.behind.Load() {
		return token.ErrStale
	}
	return l.config.Verifier.Ended(position, depends)
}

const (
	retryEvery  = time.Second
	forgetEvery = time.Hour
)

// Run makes up for what Notice failed to load and deletes what has expired,
// until ctx ends.
func (l *List) Run(ctx context.Context) {
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	forget := time.NewTicker(forgetEvery)
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
			l.retry()
		case <-forget.C:
			if err := Forget(ctx, l.config.DB); err != nil && ctx.Err() == nil {
				l.config.Report(err)
			}
		}
	}
}

func (l *List) retry() {
	if !l.behind.Load() {
		return
	}
	l.feeding.Lock()
	defer l.feeding.Unlock()
	if l.behind.Load() {
		l.catchUp()
	}
}

// wake rouses those who wait for news.
func (l *List) wake() { close(*l.woken.Swap(new(make(chan struct{})))) }
