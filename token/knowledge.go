package token

import (
	"crypto/ed25519"
	"fmt"
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

// signedAt tells whether the key signed at a moment in Unix milliseconds.
func (k *PublicKey) signedAt(milli int64) bool {
	return milli >= k.SignsFrom.UnixMilli() && (k.SignsUntil.IsZero() || milli <= k.SignsUntil.UnixMilli())
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

func indexKeys(keys []PublicKey) (map[string]PublicKey, error) {
	index := make(map[string]PublicKey, len(keys))
	for _, k := range keys {
		if err := k.check(); err != nil {
			return nil, err
		}
		if _, twice := index[k.ID]; twice {
			return nil, fmt.Errorf("key set: key %s is there twice", k.ID)
		}
		index[k.ID] = k
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
	keys         map[string]PublicKey
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
	k.installation, k.keys, k.swept = s.Installation, keys, at
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

// key finds the key of a token and refuses it outside the key's window.
func (k *knowledge) key(c *Claims, issued int64) (ed25519.PublicKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if c.Installation != k.installation {
		return nil, ErrInstallation
	}
	key, ok := k.keys[c.KeyID]
	if !ok {
		return nil, ErrUnknownKey
	}
	if !key.signedAt(issued) {
		return nil, fmt.Errorf("%w: it did not sign at that time", ErrUnknownKey)
	}
	return key.Key, nil
}

// revoked tells whether an entry ends a token of this position.
func (k *knowledge) revoked(depends []dependencyID, position uint64) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, d := range depends {
		if r, ok := k.live[d]; ok && position < r.seq {
			return true
		}
	}
	return false
}

// counts returns how many keys and live revocations are known.
func (k *knowledge) counts() (keys, revocations int) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.keys), len(k.live)
}
