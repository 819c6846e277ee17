package credential

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/replica"
)

// derivedKept is how many derived keys are remembered, of about 200 bytes each.
const derivedKept = 4096

// derivedKeys remembers what the signatures of static keys were made with on a
// day, in a region, for a service: four of the five HMACs that a signature
// costs. Only what a good signature was made with is kept, so that nobody fills
// it who has no key. It is asked with the key as the replica holds it at that
// moment: a key that was deleted or changed is not found here, or is another.
type derivedKeys struct {
	mu  sync.RWMutex
	all map[derivedFor][]byte
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
	if !known {
		derived = s.keyOf(key.Secret)
	}
	good := s.matches(derived)
	if good && !known {
		name.region, name.service = strings.Clone(name.region), strings.Clone(name.service) // not the request that they stand in
		d.keep(name, derived)
	}
	return good
}

// keep forgets all when there is no more room: they are had again at once.
func (d *derivedKeys) keep(name derivedFor, derived []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil || len(d.all) >= derivedKept {
		d.all = make(map[derivedFor][]byte)
	}
	d.all[name] = derived[:sha256.Size:sha256.Size]
}
