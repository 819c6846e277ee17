package token

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// PublicKey verifies tokens issued while it signed, both ends included, in
// whole milliseconds.
type PublicKey struct {
	ID         string
	Key        ed25519.PublicKey
	SignsFrom  time.Time
	SignsUntil time.Time // zero: no end is known yet
}

// signingKey is a key as the verifier holds it; never changed once made.
type signingKey struct {
	key         ed25519.PublicKey
	from, until int64 // Unix milliseconds
	revocation  [16]byte
}

func newSigningKey(k *PublicKey) *signingKey {
	s := &signingKey{k.Key, k.SignsFrom.UnixMilli(), math.MaxInt64, HashID(KindSigningKey, k.ID)}
	if !k.SignsUntil.IsZero() {
		s.until = k.SignsUntil.UnixMilli()
	}
	return s
}

func (k *PublicKey) check() error {
	if !validID(k.ID, MaxID) {
		return fmt.Errorf("key set: %q is not an id", k.ID)
	}
	if len(k.Key) != ed25519.PublicKeySize {
		return fmt.Errorf("key set: key %s has %d bytes, not %d", k.ID, len(k.Key), ed25519.PublicKeySize)
	}
	if !k.SignsUntil.IsZero() && k.SignsUntil.Before(k.SignsFrom) {
		return fmt.Errorf("key set: key %s ends before it begins", k.ID)
	}
	return nil
}

func indexKeys(keys []PublicKey) (map[string]*signingKey, error) {
	index := make(map[string]*signingKey, len(keys))
	for _, k := range keys {
		if err := k.check(); err != nil {
			return nil, err
		}
		if _, twice := index[k.ID]; twice {
			return nil, fmt.Errorf("key set: key %s is there twice", k.ID)
		}
		index[k.ID] = newSigningKey(&k)
	}
	return index, nil
}

// Snapshot is all that a verifier knows about tokens at a position.
type Snapshot struct {
	Installation string
	Keys         []PublicKey
	Revocations  []Revocation
	Position     uint64
}

// knowledge is what a verifier was told, by whichever way. Writers change it
// under the lock and then move version on, so a reader that took the version
// first and finds it unmoved has missed nothing.
type knowledge struct {
	version  atomic.Uint64 // 0 until the first complete snapshot
	position atomic.Uint64

	mu           sync.RWMutex
	installation string
	whole        [16]byte // what revokes everything of the installation
	keys         map[string]*signingKey
	live         map[[16]byte]liveRevocation
	swept        int64
}

type liveRevocation struct {
	seq     uint64
	learned int64 // on the verifier's monotonic clock, nanoseconds
}

// load replaces everything. at is the verifier's monotonic clock.
func (k *knowledge) load(s Snapshot, at int64) error {
	if !validID(s.Installation, MaxID) {
		return fmt.Errorf("snapshot: %q is not an installation id", s.Installation)
	}
	keys, err := indexKeys(s.Keys)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.installation, k.whole = s.Installation, HashID(KindInstallation, s.Installation)
	k.keys, k.swept = keys, at
	k.live = make(map[[16]byte]liveRevocation, len(s.Revocations))
	k.addLocked(s.Revocations, at)
	k.position.Store(s.Position)
	k.version.Add(1)
	return nil
}

// advance adds revocations up to a position. A position that goes back is
// refused, the revocations that came with it are not.
func (k *knowledge) advance(position uint64, revoked []Revocation, at int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version.Load() == 0 {
		return fmt.Errorf("advance: no snapshot has been loaded")
	}
	if len(revoked) > 0 {
		k.addLocked(revoked, at)
		k.forgetLocked(at)
		k.version.Add(1)
	}
	if have := k.position.Load(); position < have {
		return fmt.Errorf("advance: position %d is before %d", position, have)
	}
	k.position.Store(position)
	return nil
}

func (k *knowledge) setKeys(list []PublicKey) error {
	keys, err := indexKeys(list)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version.Load() == 0 {
		return fmt.Errorf("set keys: no snapshot has been loaded")
	}
	k.keys = keys
	k.version.Add(1)
	return nil
}

func (k *knowledge) addLocked(revoked []Revocation, at int64) {
	for _, r := range revoked {
		k.live[r.Hash] = liveRevocation{max(r.Seq, k.live[r.Hash].seq), at}
	}
}

// forgetLocked drops what can no longer end any token, looking at most once a
// minute.
func (k *knowledge) forgetLocked(at int64) {
	if at-k.swept < int64(time.Minute) {
		return
	}
	k.swept = at
	for hash, r := range k.live {
		if at-r.learned > int64(RevocationLife) {
			delete(k.live, hash)
		}
	}
}

// key finds the key of a token.
func (k *knowledge) key(c *Claims, issued int64) (*signingKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keyLocked(c, issued)
}

// keyLocked refuses a key outside its window. issued is in Unix milliseconds.
func (k *knowledge) keyLocked(c *Claims, issued int64) (*signingKey, error) {
	if c.Installation != k.installation {
		return nil, ErrInstallation
	}
	key, ok := k.keys[c.KeyID]
	if !ok {
		return nil, ErrUnknownKey
	}
	if issued < key.from || issued > key.until {
		return nil, errOutsideWindow
	}
	return key, nil
}

var errOutsideWindow = fmt.Errorf("%w: it did not sign at that time", ErrUnknownKey)

// check decides about a token whose signature is good: is its key still what
// it was, and is nothing revoked that it depends on?
func (k *knowledge) check(e *entry) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, err := k.keyLocked(&e.claims, e.issued)
	if err != nil {
		return err
	}
	if key != e.key && !key.key.Equal(e.key.key) {
		return ErrUnknownKey
	}
	// Whoever holds a stolen key writes what position he likes into a token: its
	// revocation ends all that it signed.
	if _, stolen := k.live[key.revocation]; stolen || k.revokedLocked(k.whole, e) {
		return ErrRevoked
	}
	for _, d := range e.depends {
		if k.revokedLocked(d, e) {
			return ErrRevoked
		}
	}
	return nil
}

func (k *knowledge) revokedLocked(hash [16]byte, e *entry) bool {
	r, ok := k.live[hash]
	return ok && e.claims.Position < r.seq
}

// counts returns how many keys and live revocations are known.
func (k *knowledge) counts() (keys, revocations int) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.keys), len(k.live)
}
