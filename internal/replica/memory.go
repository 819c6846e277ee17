package replica

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/propusk/propusk/internal/iam"
)

// memory is a bounded map from keys to values. Finding takes no lock. What
// leaves when it is full is decided by S3-FIFO: newcomers wait in a short
// queue and only those that are asked for again get into the long one, so that
// a scan pushes out other newcomers and nothing else.
type memory struct {
	seed   maphash.Seed
	shift  int // of a hash, to the number of its shard
	shards []shard
}

type shard struct {
	buckets atomic.Pointer[[]atomic.Pointer[entry]]

	mu         sync.Mutex
	limit      int64
	bytes      int64
	count      int
	short      queue
	long       queue
	left       []uint32 // fingerprints of what left the short queue
	flights    map[key]*flight
	changed    iam.Position // the last change that touched a key of this shard
	generation uint64
	_          [64]byte // neighbours' locks stay out of this one's cache line
}

// One shard for so many bytes, at most maxShards; both make evictions fair
// enough and locks rare enough.
const (
	shardBytes = 128 << 10
	maxShards  = 64
)

// newMemory makes a memory for so many bytes, taken as needed. Memories with
// one seed hash alike.
func newMemory(seed maphash.Seed, maxBytes int64) *memory {
	n := 1
	for n < maxShards && int64(n)*2*shardBytes <= maxBytes {
		n *= 2
	}
	m := &memory{seed: seed, shift: 64 - bits.TrailingZeros(uint(n)), shards: make([]shard, n)}
	for i := range m.shards {
		s := &m.shards[i]
		s.limit = maxBytes / int64(n)
		s.clear(0)
	}
	return m
}

func (m *memory) hashText(s string) uint64 { return maphash.String(m.seed, s) }

// mix makes one hash of two, or of one and a kind.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	return hi ^ lo
}

func (m *memory) hash(k key) uint64 {
	if k.kind == ofRoles {
		return mix(m.hashText(k.a), m.hashText(k.b))
	}
	return mix(m.hashText(k.a), uint64(k.kind)<<32)
}

func (m *memory) shardOf(hash uint64) *shard {
	if m.shift == 64 {
		return &m.shards[0]
	}
	return &m.shards[hash>>m.shift]
}

// find returns the entry of a key that is not ofRoles, nil when there is none.
func (m *memory) find(kind kind, id string) *entry { return m.findHashed(m.hashText(id), kind, id) }

// findHashed is find with the hash of the id made before.
func (m *memory) findHashed(idHash uint64, kind kind, id string) *entry {
	hash := mix(idHash, uint64(kind)<<32)
	for e := m.first(hash); e != nil; e = e.next.Load() {
		if e.hash == hash && e.kind == kind && e.text == id {
			e.touch()
			return e
		}
	}
	return nil
}

// findRoles is find for ofRoles, with the hashes of both ids made before.
func (m *memory) findRoles(resourceHash, subjectHash uint64, resourceID, subject string) *entry {
	hash := mix(resourceHash, subjectHash)
	for e := m.first(hash); e != nil; e = e.next.Load() {
		if e.hash == hash && e.isRoles(resourceID, subject) {
			e.touch()
			return e
		}
	}
	return nil
}

func (m *memory) first(hash uint64) *entry {
	b := *m.shardOf(hash).buckets.Load()
	return b[hash&uint64(len(b)-1)].Load()
}

// lookup is find under the shard's lock.
func (s *shard) lookup(hash uint64, k key) *entry {
	b := *s.buckets.Load()
	for e := b[hash&uint64(len(b)-1)].Load(); e != nil; e = e.next.Load() {
		if e.hash == hash && e.is(k) {
			return e
		}
	}
	return nil
}

// put inserts an entry in place of one with the same key and makes room.
// The shard is locked.
func (s *shard) put(hash uint64, k key, value any, valueBytes int) *entry {
	e := &entry{hash: hash, text: k.text(), value: value, kind: k.kind}
	if k.kind == ofRoles {
		e.cut = uint16(len(k.a))
	}
	e.size = uint32(entryBytes + (len(e.text)+15)&^15 + valueBytes)
	if int64(e.size) > s.limit/4 || len(k.a) > 1<<15 {
		return e // usable once, not worth a quarter of everything
	}
	if old := s.lookup(hash, k); old != nil {
		s.remove(old)
	}
	if s.count >= len(*s.buckets.Load()) {
		s.grow()
	}
	b := *s.buckets.Load()
	slot := &b[hash&uint64(len(b)-1)]
	e.next.Store(slot.Load())
	slot.Store(e)
	s.count++
	s.bytes += int64(e.size)
	if s.forgetLeft(hash) {
		s.long.push(e, true)
	} else {
		s.short.push(e, false)
	}
	for s.bytes > s.limit {
		s.evict()
	}
	return e
}

// remove takes an entry out. The shard is locked.
func (s *shard) remove(e *entry) {
	b := *s.buckets.Load()
	slot := &b[e.hash&uint64(len(b)-1)]
	for at := slot.Load(); at != nil; at = slot.Load() {
		if at == e {
			slot.Store(e.next.Load())
			break
		}
		slot = &at.next
	}
	e.gone.Store(true)
	if e.long {
		s.long.unlink(e)
	} else {
		s.short.unlink(e)
	}
	s.count--
	s.bytes -= int64(e.size)
}

// grow doubles the buckets. A reader that walks a bucket meanwhile may be led
// into another one and miss its entry: it then asks the store, which is slower
// and as right. The shard is locked.
func (s *shard) grow() {
	old := *s.buckets.Load()
	b := make([]atomic.Pointer[entry], 2*len(old))
	for i := range old {
		for e := old[i].Load(); e != nil; {
			next := e.next.Load()
			slot := &b[e.hash&uint64(len(b)-1)]
			e.next.Store(slot.Load())
			slot.Store(e)
			e = next
		}
	}
	s.buckets.Store(&b)
}

// clear forgets everything and starts a generation. Fills of an earlier one
// are not taken any more. The shard is locked, or nobody knows it yet.
func (s *shard) clear(generation uint64) {
	for _, q := range []*queue{&s.short, &s.long} {
		for e := q.oldest; e != nil; e = e.newer {
			e.gone.Store(true)
		}
		*q = queue{}
	}
	b := make([]atomic.Pointer[entry], 8)
	s.buckets.Store(&b)
	s.bytes, s.count, s.left, s.changed = 0, 0, nil, 0
	s.flights = map[key]*flight{}
	s.generation = generation
}

// drop forgets one key as of a change: the value, and any fill under way, so
// that whoever asks from now on reads the store anew.
func (m *memory) drop(k key, at iam.Position) {
	hash := m.hash(k)
	s := m.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = max(s.changed, at)
	delete(s.flights, k)
	if e := s.lookup(hash, k); e != nil {
		s.remove(e)
	}
}

func (m *memory) clear(generation uint64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.clear(generation)
		s.mu.Unlock()
	}
}

// size is how many entries there are and what they take.
func (m *memory) size() (entries int, bytes int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		entries += s.count
		bytes += s.bytes
		s.mu.Unlock()
	}
	return entries, bytes
}
