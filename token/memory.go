package token

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// memory is a bounded set of tokens whose signatures have been verified, found
// by their whole text. It is a table of small sets, read and written without
// locks; each token may stand in either of two sets, so that hardly any set is
// full before the table is. The seed keeps anyone from choosing tokens that
// share a set.
type memory struct {
	seed maphash.Seed
	mask uint64
	sets []set
}

// place is where a token may stand: two sets, and a tag within them, from
// different bits of its hash. A table has at most 1<<setBits sets.
type place struct {
	sets [2]*set
	tag  uint32
}

const setBits = 21

func (m *memory) place(text string) place {
	hash := maphash.String(m.seed, text)
	return place{
		[2]*set{&m.sets[hash&m.mask], &m.sets[hash>>setBits&m.mask]},
		uint32(hash >> (2 * setBits)),
	}
}

const ways = 8

type set struct {
	tags    [ways]atomic.Uint32 // part of the hash; a wrong tag costs a miss, never a wrong answer
	recent  atomic.Uint32       // a bit for each way found since the hand last passed
	hand    atomic.Uint32       // where the next search for a victim begins
	entries [ways]atomic.Pointer[entry]
}

// entry is a token that was verified. Everything but checked is never changed.
// What a token seen before needs comes first, on one line of the cache.
type entry struct {
	text    string
	issued  int64 // Unix milliseconds
	expires int64

	// checked is the version of the verifier's knowledge under which the key
	// and the dependencies were last found good.
	checked atomic.Uint64

	key     *signingKey // that verified it
	depends [][16]byte  // what revokes it, besides the key and the installation
	claims  Claims
}

func newMemory(tokens int) *memory {
	n := 1
	for n*ways < tokens {
		n *= 2
	}
	return &memory{seed: maphash.MakeSeed(), mask: uint64(n - 1), sets: make([]set, n)}
}

// find returns the entry of exactly this text, or nil.
func (m *memory) find(text string) *entry {
	p := m.place(text)
	if e := p.sets[0].find(p.tag, text); e != nil {
		return e
	}
	return p.sets[1].find(p.tag, text)
}

func (s *set) find(tag uint32, text string) *entry {
	for i := range s.tags {
		if s.tags[i].Load() != tag {
			continue
		}
		if e := s.entries[i].Load(); e != nil && e.text == text {
			if bit := uint32(1) << i; s.recent.Load()&bit == 0 {
				s.recent.Or(bit)
			}
			return e
		}
	}
	return nil
}

// add remembers an entry in the place of an empty, expired or long unused one.
// now is in Unix milliseconds.
func (m *memory) add(e *entry, now int64) {
	e.text = strings.Clone(e.text) // the caller's may be part of a longer string
	p := m.place(e.text)
	s := p.sets[0]
	i, free := s.free(now)
	if !free {
		if i, free = p.sets[1].free(now); free || p.tag&1 == 0 {
			s = p.sets[1]
		}
	}
	if !free {
		i = s.victim()
	}
	s.entries[i].Store(e)
	s.tags[i].Store(p.tag)
}

// free finds a way that holds nothing, or nothing that still counts.
func (s *set) free(now int64) (int, bool) {
	for i := range s.entries {
		if e := s.entries[i].Load(); e == nil || e.expires <= now {
			return i, true
		}
	}
	return 0, false
}

// victim picks a way that was not found since the hand last passed it.
func (s *set) victim() int {
	for range ways {
		i := s.hand.Add(1) % ways
		bit := uint32(1) << i
		if s.recent.Load()&bit == 0 {
			return int(i)
		}
		s.recent.And(^bit)
	}
	return int(s.hand.Add(1) % ways)
}

// size counts the remembered tokens.
func (m *memory) size() int {
	n := 0
	for i := range m.sets {
		for j := range m.sets[i].entries {
			if m.sets[i].entries[j].Load() != nil {
				n++
			}
		}
	}
	return n
}
