package mint

import (
	"crypto/rand"
	"sync"

	"github.com/propusk/propusk/internal/resource"
)

// idSource makes token ids as resource.NewID makes others, 85 random bits, but
// asks the system for randomness once for many.
type idSource struct{ pool sync.Pool }

type randomness struct {
	left int
	b    [17 * 32]byte
}

const idAlphabet = "0123456789abcdefghijklmnopqrstuv"

func (s *idSource) next() string {
	r, _ := s.pool.Get().(*randomness)
	if r == nil {
		r = &randomness{}
	}
	if r.left == 0 {
		_, _ = rand.Read(r.b[:]) // crypto/rand.Read never fails: it ends the program instead
		r.left = len(r.b)
	}
	var id [3 + 17]byte
	copy(id[:], resource.PrefixIAM)
	for i, b := range r.b[r.left-17 : r.left] {
		id[3+i] = idAlphabet[b&31]
	}
	r.left -= 17
	s.pool.Put(r)
	return string(id[:])
}
