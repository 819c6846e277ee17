package audit

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Filter says which events to list. Empty fields do not filter.
type Filter struct {
	Since       time.Time // at or after
	Until       time.Time // before
	Type        string    // the whole event type
	Subject     iam.SubjectID
	ResourceID  string // of any step of the resource path
	Limit       int    // 100 when 0
	OldestFirst bool   // else the newest come first, and the limit keeps them
}

// Entry is one event as listed.
type Entry struct {
	Time  time.Time
	Line  []byte // as it was written
	Event *Event // nil when this program cannot read the line, as a newer one's
}

// List returns events ordered by time: those that changes left in the store,
// those that journals brought there, and those that this node's own journal has
// not brought there yet. journal may be nil. Lines that cannot be read are
// listed whatever the type, subject and resource asked for.
func List(ctx context.Context, db *store.DB, journal *Journal, f Filter) ([]Entry, error) {
	l := &lister{filter: f, limit: cmp.Or(f.Limit, 100)}
	// The tail comes first: what is shipped after this is left out below.
	if journal != nil {
		t, err := journal.tail()
		if err != nil {
			return nil, err
		}
		defer t.close()
		l.node, l.incarnation, l.tailFrom = journal.cfg.Node, journal.incarnation, t.from.offset
		err = t.read(func(run []byte, _, _ mark) error {
			eachLine(run, l.take)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := db.View(ctx, l.walk); err != nil {
		return nil, err
	}
	l.settle()
	return l.kept, nil
}

// lister gathers the entries that a filter lets through and keeps the first of
// them in the order asked for.
type lister struct {
	filter Filter
	limit  int
	kept   []Entry // at most twice limit, sorted only by settle

	node, incarnation string
	tailFrom          int64 // this node's segments from there on are in the tail
}

// walk reads the store in stretches of time from the end that is asked for,
// each twice as long as the one before, until there is enough.
func (l *lister) walk(tx *store.Tx) error {
	low, high, err := l.bounds(tx)
	if err != nil {
		return err
	}
	for step := time.Second; low.Before(high); step = min(2*step, 1000*24*time.Hour) {
		from, to := high.Add(-step), high
		if l.filter.OldestFirst {
			from, to = low, low.Add(step)
		}
		from, to = later(from, low), earlier(to, high)
		if err := l.stretch(tx, from, to); err != nil {
			return err
		}
		if l.filter.OldestFirst {
			low = to
		} else {
			high = from
		}
		if l.enough(low, high) {
			return nil
		}
	}
	return nil
}

// bounds narrows the time asked for to where there is something.
func (l *lister) bounds(tx *store.Tx) (low, high time.Time, err error) {
	low, high = l.filter.Since, l.filter.Until
	if high.IsZero() {
		high = tx.Now().Add(24 * time.Hour) // nodes' clocks differ
	}
	events, err := store.ListAuditEvents(tx, store.AuditFilter{Since: low, Limit: 1})
	if err != nil {
		return low, high, err
	}
	segments, err := store.ListAuditSegments(tx, store.AuditSegmentFilter{Since: low, Limit: 1})
	if err != nil {
		return low, high, err
	}
	oldest := high
	for _, e := range events {
		oldest = earlier(oldest, e.Time)
	}
	for _, s := range segments {
		oldest = earlier(oldest, s.FirstTime)
	}
	return later(low, oldest), high, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// stretch reads what lies between two times.
func (l *lister) stretch(tx *store.Tx, from, to time.Time) error {
	const pageOfEvents, pageOfSegments = 1000, 8
	inside := func(line []byte) {
		if t, ok := lineTime(line); !ok || !t.Before(from) && t.Before(to) {
			l.take(line)
		}
	}
	events := store.AuditFilter{Since: from, Until: to, Type: l.filter.Type, Subject: l.filter.Subject, Limit: pageOfEvents}
	for {
		page, err := store.ListAuditEvents(tx, events)
		if err != nil {
			return err
		}
		for _, e := range page {
			l.take([]byte(e.Body))
		}
		if len(page) < pageOfEvents {
			break
		}
		end := page[len(page)-1]
		events.After = store.AuditCursor{Time: end.Time, ID: end.ID}
	}
	segments := store.AuditSegmentFilter{Since: from, Until: to, Limit: pageOfSegments}
	for {
		page, err := store.ListAuditSegments(tx, segments)
		if err != nil {
			return err
		}
		for _, s := range page {
			if s.Node != l.node || s.Incarnation != l.incarnation || s.Offset < l.tailFrom {
				run, err := Unpack(s)
				if err != nil {
					return err
				}
				eachLine(run, inside)
			}
		}
		if len(page) < pageOfSegments {
			return nil
		}
		segments.After = placeOf(page[len(page)-1])
	}
}

func placeOf(s *store.AuditSegment) store.AuditSegmentPlace {
	return store.AuditSegmentPlace{FirstTime: s.FirstTime, Node: s.Node, Incarnation: s.Incarnation, Offset: s.Offset}
}

func lineTime(line []byte) (time.Time, bool) {
	text, ok := timeIn(line)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	return t, err == nil
}

// take keeps a line that the filter lets through.
func (l *lister) take(line []byte) {
	t, readable := lineTime(line)
	if readable && (t.Before(l.filter.Since) || !l.filter.Until.IsZero() && !t.Before(l.filter.Until)) {
		return
	}
	if readable && l.filter.Type != "" && !bytes.Contains(line, appendString(nil, l.filter.Type, maxID)) {
		return // spares the decoding of most
	}
	e, err := Decode(line)
	if err == nil && !l.filter.lets(e) {
		return
	}
	l.kept = append(l.kept, Entry{Time: t, Line: bytes.Clone(line), Event: e})
	if len(l.kept) >= 2*l.limit {
		l.settle()
	}
}

func (f *Filter) lets(e *Event) bool {
	if f.Type != "" && e.Type != f.Type || f.Subject != "" && e.Authentication.SubjectID != string(f.Subject) {
		return false
	}
	return f.ResourceID == "" || slices.ContainsFunc(e.Resource.Path, func(p Place) bool { return p.ID == f.ResourceID })
}

// settle sorts what is kept and drops what is beyond the limit.
func (l *lister) settle() {
	slices.SortFunc(l.kept, func(a, b Entry) int {
		c := cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.Line, b.Line))
		if l.filter.OldestFirst {
			return c
		}
		return -c
	})
	if len(l.kept) > l.limit {
		clear(l.kept[l.limit:])
		l.kept = l.kept[:l.limit]
	}
}

// enough says whether nothing between low and high, which is not read yet, can
// come before what is kept.
func (l *lister) enough(low, high time.Time) bool {
	if len(l.kept) < l.limit {
		return false
	}
	l.settle()
	worst := l.kept[len(l.kept)-1].Time
	if l.filter.OldestFirst {
		return worst.Before(low)
	}
	return !worst.Before(high)
}
