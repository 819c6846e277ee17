package audit

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/propusk/propusk/internal/store"
)

type journalName struct{ node, incarnation string }

// chainState is how far the chain of one journal was followed.
type chainState struct {
	name    journalName
	started bool
	from    int64 // where it started
	at      mark  // how far it was followed
	known   bool  // at.head is known; false at a pruned beginning and after a gap
	lines   int
	waiting []*store.AuditSegment // that come after a gap, or before their turn
}

func (c *chainState) start(at mark, known bool) {
	c.started, c.from, c.at, c.known = true, at.offset, at, known
}

// segment follows the chain through a segment, and through those that waited
// for it: they come in the order of their times, and a clock may have gone back.
func (v *verifier) segment(s *store.AuditSegment) {
	c := v.chain(s.Node, s.Incarnation)
	if !c.started {
		c.start(mark{s.Offset, firstHead(s.Node, s.Incarnation)}, s.Offset == 0)
	}
	c.waiting = append(c.waiting, s)
	for {
		i := slices.IndexFunc(c.waiting, func(w *store.AuditSegment) bool { return w.Offset == c.at.offset })
		if i < 0 {
			return
		}
		next := c.waiting[i]
		c.waiting = slices.Delete(c.waiting, i, i+1)
		v.follow(c, next)
	}
}

// follow checks the batches of a segment that begins where the chain is.
func (v *verifier) follow(c *chainState, s *store.AuditSegment) {
	end := mark{offset: s.Offset + s.Length}
	copy(end.head[:], s.ChainHead)
	data, err := Unpack(s)
	if err != nil {
		v.problem(c, s.Offset, "%v", err)
		c.at, c.known = end, true
		return
	}
	if !c.known {
		lines, stated, rest, ok := splitBatch(data)
		if ok {
			c.at, c.known = mark{c.at.offset + int64(len(data)-len(rest)), stated}, true
			c.lines += countLines(lines)
			data = rest
		}
	}
	for len(data) > 0 {
		lines, after, rest, ok := cutBatch(data, c.at)
		if !ok {
			v.problem(c, c.at.offset, "the chain breaks in a segment of the store")
			c.at, c.known = end, true
			return
		}
		c.lines += countLines(lines)
		c.at, data = after, rest
	}
	if c.at != end {
		v.problem(c, s.Offset, "a segment of the store ends in %s, but states %s", c.at.head, end.head)
		c.at = end
	}
}

// gaps tells of the segments that found nothing to continue.
func (v *verifier) gaps(c *chainState) {
	slices.SortFunc(c.waiting, func(a, b *store.AuditSegment) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, s := range c.waiting {
		if s.Offset != c.at.offset {
			if s.Offset > c.at.offset {
				v.problem(c, c.at.offset, "what lies between here and offset %d is missing from the store", s.Offset)
			} else {
				v.problem(c, s.Offset, "a segment of the store overlaps others")
			}
			c.at, c.known = mark{offset: s.Offset}, false
		}
		v.follow(c, s)
	}
	c.waiting = nil
}

// checkpoint compares what was followed with how far the journal had come.
func (v *verifier) checkpoint(cp *store.AuditCheckpoint) {
	c := v.chain(cp.Node, cp.Incarnation)
	noted := mark{offset: cp.Offset}
	copy(noted.head[:], cp.Head)
	if !c.started {
		c.start(noted, true) // nothing was written yet, or all of it is pruned
	}
	if c.at != noted {
		v.problem(c, c.at.offset, "the store ends here, but its checkpoint is at offset %d with head %s", noted.offset, noted.head)
		c.at = noted
	}
}

func countLines(lines []byte) int { return bytes.Count(lines, []byte{'\n'}) }
