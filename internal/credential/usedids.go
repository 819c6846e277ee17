package credential

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const defaultMaxIDs = 1 << 18 // about 25 MB when full

// usedIDs remembers the "jti" of JWTs until they expire, in this node's memory.
// One key may hold an eighth of it, so no account can lock the others out.
type usedIDs struct {
	max int

	mu     sync.Mutex
	seen   map[[16]byte]struct{}
	perKey map[string]int
	minute map[int64][]usedID // by the minute in which they may be forgotten
	swept  int64
}

type usedID struct {
	hash [16]byte
	key  string
}

func newUsedIDs(limit int) *usedIDs {
	if limit <= 0 {
		limit = defaultMaxIDs
	}
	return &usedIDs{
		max: limit, seen: make(map[[16]byte]struct{}), perKey: make(map[string]int), minute: make(map[int64][]usedID),
	}
}

// take uses an id up; it fails when it was used before or when memory is full:
// to forget one early would accept it twice.
func (u *usedIDs) take(key, id string, now, until time.Time) error {
	sum := sha256.Sum256([]byte(key + "\x00" + id)) // a key id holds no NUL
	entry := usedID{hash: [16]byte(sum[:16]), key: key}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweep(now)
	if _, used := u.seen[entry.hash]; used {
		return errReplayed
	}
	if len(u.seen) >= u.max || u.perKey[key] >= max(1, u.max/8) {
		e := iam.Errorf(iam.ResourceExhausted, "Too many JWTs with a 'jti' are waiting to expire: leave 'jti' out or give them shorter lives")
		e.Reason = "jwt_ids_exhausted"
		return e
	}
	u.seen[entry.hash] = struct{}{}
	u.perKey[key]++
	at := until.Unix()/60 + 1
	u.minute[at] = append(u.minute[at], entry)
	return nil
}

// sweep forgets what has expired, at most once a minute.
func (u *usedIDs) sweep(now time.Time) {
	current := now.Unix() / 60
	if current == u.swept {
		return
	}
	u.swept = current
	for at, entries := range u.minute {
		if at > current {
			continue
		}
		for _, e := range entries {
			delete(u.seen, e.hash)
			if u.perKey[e.key]--; u.perKey[e.key] <= 0 {
				delete(u.perKey, e.key)
			}
		}
		delete(u.minute, at)
	}
}
