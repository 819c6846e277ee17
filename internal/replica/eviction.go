package replica

// How often an entry must have been asked for to count; more is not counted.
const (
	maxSeen = 3
	wanted  = 2 // in the short queue, to get into the long one
)

// queue is a first-in first-out list of entries, linked through them.
type queue struct {
	oldest, newest *entry
	bytes          int64
}

func (q *queue) push(e *entry, long bool) {
	e.long, e.older, e.newer = long, q.newest, nil
	if q.newest != nil {
		q.newest.newer = e
	} else {
		q.oldest = e
	}
	q.newest = e
	q.bytes += int64(e.size)
}

func (q *queue) unlink(e *entry) {
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		q.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		q.newest = e.older
	}
	e.older, e.newer = nil, nil
	q.bytes -= int64(e.size)
}

// evict makes some room: it takes out one entry, or gives one another turn.
// A turn is paid for by a count of seen, so a loop of evicts ends.
func (s *shard) evict() {
	if s.short.oldest != nil && (s.short.bytes > s.limit/10 || s.long.oldest == nil) {
		e := s.short.oldest
		if e.seen.Load() >= wanted {
			s.short.unlink(e)
			e.seen.Store(0)
			s.long.push(e, true)
			return
		}
		s.remove(e)
		s.rememberLeft(e.hash)
		return
	}
	e := s.long.oldest
	if n := e.seen.Load(); n > 0 {
		s.long.unlink(e)
		e.seen.Store(n - 1)
		s.long.push(e, true)
		return
	}
	s.remove(e)
}

// What left the short queue is remembered by fingerprint, so that it goes
// straight to the long one when it comes back soon. A slot holds the last
// fingerprint that fell on it: about as many as there are entries.
const leftPerBytes = 512

func (s *shard) rememberLeft(hash uint64) {
	if s.left == nil {
		n := 16
		for int64(n)*leftPerBytes < s.limit {
			n *= 2
		}
		s.left = make([]uint32, n)
		s.bytes += int64(4 * n)
	}
	s.left[hash&uint64(len(s.left)-1)] = fingerprint(hash)
}

func (s *shard) forgetLeft(hash uint64) bool {
	if s.left == nil {
		return false
	}
	slot := &s.left[hash&uint64(len(s.left)-1)]
	if *slot != fingerprint(hash) {
		return false
	}
	*slot = 0
	return true
}

// fingerprint leaves out the bits that choose shard and slot, and is never 0.
func fingerprint(hash uint64) uint32 { return uint32(hash>>20) | 1 }
