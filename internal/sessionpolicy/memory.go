package sessionpolicy

import (
	"hash/maphash"
	"sync/atomic"
)

// remembered is how many policies a Memory keeps at most.
const remembered = 256

// Memory reads policies and keeps some of those it has read, so that a key in
// use does not cost a reading with every request. What it keeps depends on the
// text alone and never grows old. The zero Memory is ready; it is safe for
// concurrent use and must not be copied.
type Memory struct {
	seeded atomic.Pointer[maphash.Seed]
	slots  [remembered]atomic.Pointer[memo]
}

type memo struct {
	text   string
	policy *Policy
}

// Parse is the function Parse. Failures are not kept.
func (m *Memory) Parse(text string) (*Policy, error) {
	slot := &m.slots[maphash.String(m.seed(), text)%remembered]
	if have := slot.Load(); have != nil && have.text == text {
		return have.policy, nil
	}
	p, err := Parse(text)
	if err == nil {
		slot.Store(&memo{text, p})
	}
	return p, err
}

// seed is drawn once, so that nobody can choose texts that push each other out.
func (m *Memory) seed() maphash.Seed {
	if s := m.seeded.Load(); s != nil {
		return *s
	}
	s := maphash.MakeSeed()
	m.seeded.CompareAndSwap(nil, &s)
	return *m.seeded.Load()
}
