package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/replica"
)

// derivedKept is how many derived keys are remembered, of about 1 KiB each.
const derivedKept = 4096

// derivedKeys remembers what the signatures of static keys were made with on a
// day, in a region, for a service: four of the five HMACs that a signature
// costs. Only what a good signature was made with is kept, so that nobody fills
// it who has no key. It is asked with the key as the replica holds it at that
// moment: a key that was deleted or changed is not found here, or is another.
type derivedKeys struct {
	mu  sync.RWMutex
	all map[derivedFor]*derivedKey
}

// derivedKey makes the signatures of one day, region and service. Its HMAC has
// taken in the key already: that is half of what a short text's costs.
type derivedKey struct {
	key []byte

	mu   sync.Mutex // guards the following
	mac  hash.Hash
	text [256]byte
	sum  [sha256.Size]byte
	want [2 * sha256.Size]byte
}

func newDerivedKey(key []byte) *derivedKey {
	return &derivedKey{key: key, mac: hmac.New(sha256.New, key)}
}

// made tells whether the key made a signature of version 4. Nobody waits for
// another: who meets one makes an HMAC for himself.
func (k *derivedKey) made(s *Signature) bool {
	if !k.mu.TryLock() {
		return s.matches(k.key)
	}
	defer k.mu.Unlock()
	k.mac.Reset()
	k.mac.Write(append(k.text[:0], s.StringToSign...))
	hex.Encode(k.want[:], k.mac.Sum(k.sum[:0]))
	return s.is(k.want[:])
}

type derivedFor struct {
	key             *replica.AccessKey
	day             int64 // since 1970
	region, service string
}

// made tells whether a static key made the signature.
func (d *derivedKeys) made(s *Signature, key *replica.AccessKey) bool {
	if s.V2 != "" {
		return s.madeWith(key.Secret)
	}
	name := derivedFor{key, s.SignedAt.Unix() / int64(24*time.Hour/time.Second), s.Region, s.Service}
	d.mu.RLock()
	derived, known := d.all[name]
	d.mu.RUnlock()
	if known {
		return derived.made(s)
	}
	fresh := s.keyOf(key.Secret)
	if !s.matches(fresh) {
		return false
	}
	name.region, name.service = strings.Clone(name.region), strings.Clone(name.service) // not the request that they stand in
	d.keep(name, newDerivedKey(fresh))
	return true
}

// keep forgets all when there is no more room: they are had again at once.
func (d *derivedKeys) keep(name derivedFor, derived *derivedKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil || len(d.all) >= derivedKept {
		d.all = make(map[derivedFor]*derivedKey)
	}
	d.all[name] = derived
}
