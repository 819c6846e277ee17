package audit

import (
	"context"
	"fmt"

	"github.com/propusk/propusk/internal/store"
)

// Report is what Verify found.
type Report struct {
	Journals []Verified
	Problems []Problem // none: nothing is cut, missing, moved or edited
}

// Verified is how much of one journal was read.
type Verified struct {
	Node, Incarnation string
	From, To          int64 // offsets; From is above 0 when older segments were pruned
	Lines             int
}

// Problem is a place where a journal is not what was written.
type Problem struct {
	Node, Incarnation string
	Offset            int64
	What              string
}

func (p Problem) String() string {
	return fmt.Sprintf("journal %s of node %s at offset %d: %s", p.Incarnation, p.Node, p.Offset, p.What)
}

// Verify follows the chain of every journal in the store to its last checkpoint,
// and that of this node's own journal on to its durable end. journal may be nil.
// What is amiss is in the report; an error means that it could not be read.
func Verify(ctx context.Context, db *store.DB, journal *Journal) (*Report, error) {
	v := &verifier{chains: make(map[journalName]*chainState)}
	var own *tail
	if journal != nil {
		// Before the store is read, so that what is shipped meanwhile is in both.
		t, err := journal.tail()
		if err != nil {
			return nil, err
		}
		defer t.close()
		own = t
	}
	if err := db.View(ctx, v.store); err != nil {
		return nil, err
	}
	if own != nil {
		v.tail(journal, own)
	}
	return v.report(), nil
}

type verifier struct {
	order    []*chainState
	chains   map[journalName]*chainState
	problems []Problem
}

func (v *verifier) chain(node, incarnation string) *chainState {
	n := journalName{node, incarnation}
	c := v.chains[n]
	if c == nil {
		c = &chainState{name: n}
		v.chains[n] = c
		v.order = append(v.order, c)
	}
	return c
}

func (v *verifier) problem(c *chainState, offset int64, format string, args ...any) {
	v.problems = append(v.problems, Problem{c.name.node, c.name.incarnation, offset, fmt.Sprintf(format, args...)})
}

func (v *verifier) store(tx *store.Tx) error {
	const pageSize = 8
	page := store.AuditSegmentFilter{Limit: pageSize}
	for {
		segments, err := store.ListAuditSegments(tx, page)
		if err != nil {
			return err
		}
		for _, s := range segments {
			v.segment(s)
		}
		if len(segments) < pageSize {
			break
		}
		page.After = placeOf(segments[len(segments)-1])
	}
	for _, c := range v.order {
		v.gaps(c)
	}
	checkpoints, err := store.ListAuditCheckpoints(tx)
	for _, c := range checkpoints {
		v.checkpoint(c)
	}
	return err
}

// tail follows this node's journal from where it was shipped up to its end.
func (v *verifier) tail(j *Journal, t *tail) {
	c := v.chain(j.cfg.Node, j.incarnation)
	if !c.started {
		c.start(t.from, true)
	}
	if c.at.offset < t.from.offset {
		v.problem(c, c.at.offset, "the store has lost what this node shipped up to offset %d", t.from.offset)
	}
	err := t.read(func(run []byte, from, to mark) error {
		for at := from; at != to; {
			lines, after, rest, _ := cutBatch(run, at)
			if at.offset >= c.at.offset {
				if at.offset == c.at.offset && at.head != c.at.head {
					v.problem(c, at.offset, "this node's files do not continue what the store has")
				}
				c.lines += countLines(lines)
				c.at = after
			}
			at, run = after, rest
		}
		return nil
	})
	if err != nil {
		v.problem(c, c.at.offset, "%v", err)
	}
}

func (v *verifier) report() *Report {
	r := &Report{Problems: v.problems}
	for _, c := range v.order {
		r.Journals = append(r.Journals, Verified{c.name.node, c.name.incarnation, c.from, c.at.offset, c.lines})
	}
	return r
}
