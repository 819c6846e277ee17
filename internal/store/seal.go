package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Draft is what an update has changed, until Seal gives it its place in the
// feed.
type Draft struct {
	db       *DB
	changes  []Change
	revoked  []pendingRevocation
	guard    *guard
	head     iam.Position // up to which the guard has looked
	position iam.Position // of its entry; 0 when the feed does not tell of it
}

// OvertakenBy says whether an update that comes before this one in the same
// transaction has changed what this one's decision rests on. It must then be
// run again, after the other's commit.
func (d *Draft) OvertakenBy(earlier []*Draft) bool {
	if d.guard == nil {
		return false
	}
	for _, e := range earlier {
		for _, c := range e.changes {
			if _, ok := d.guard.keys[c]; ok {
				return true
			}
		}
	}
	return false
}

// Seal ends a transaction that holds one or several updates: it draws their
// numbers in the feed, last, so that numbers are in the order of commits, and
// writes their entries, and the revocations that carry the numbers. An update
// that changed nothing the feed tells of gets no number, but its guard counts.
// With ErrMoved it returns the update whose guard has been overtaken; the
// transaction must then be taken back.
func Seal(c Conn, drafts ...*Draft) (overtaken *Draft, err error) {
	var told, sealed []*Draft // sealed: those told, and those with a guard
	for _, d := range drafts {
		if len(d.changes) > 0 {
			told = append(told, d)
		}
		if len(d.changes) > 0 || d.guard != nil {
			sealed = append(sealed, d)
		}
	}
	if len(sealed) == 0 {
		return nil, nil
	}
	tx := &Tx{db: sealed[0].db, conn: c, now: sealed[0].db.timeOfTransaction(), writes: true}
	defer tx.end()
	var last uint64
	if len(told) == 0 {
		// Held until the commit, as the draw holds it: nothing comes in between.
		if _, err := tx.one(`SELECT seq FROM feed_head`+tx.db.engine.RowLock(), nil, &last); err != nil {
			return nil, err
		}
		return checkGuards(tx, sealed, iam.Position(last))
	}
	found, err := tx.one(`UPDATE feed_head SET seq = seq + $1 RETURNING seq`, []any{len(told)}, &last)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errors.New("store: feed_head has no row")
	}
	before := iam.Position(last) - iam.Position(len(told))
	if overtaken, err := checkGuards(tx, sealed, before); err != nil {
		return overtaken, err
	}
	if a, ok := c.(Announcer); ok {
		a.Announce()
	}
	for i, d := range told {
		d.position = before + iam.Position(i) + 1
	}
	if err := writeEntries(tx, told); err != nil {
		return nil, fmt.Errorf("write change feed: %w", err)
	}
	for _, d := range told {
		if err := writeRevocations(tx, d); err != nil {
			return nil, fmt.Errorf("write revocations: %w", err)
		}
	}
	return nil, nil
}

// checkGuards looks at what came in between an update's first look at the feed
// and the seal, which holds the rest back until the commit: an engine that runs
// updates side by side may have let somebody in.
func checkGuards(tx *Tx, drafts []*Draft, head iam.Position) (overtaken *Draft, err error) {
	for _, d := range drafts {
		if d.guard == nil || d.head == head {
			continue
		}
		from := d.head
		d.head = head
		if err := d.guard.scan(tx, from, head); err != nil {
			return d, err
		}
	}
	return nil, nil
}

// entriesAtOnce bounds the rows of one statement.
const entriesAtOnce = 32

func writeEntries(tx *Tx, drafts []*Draft) error {
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		_, err := tx.exec(insertEntries(len(args)/5), args...)
		args = args[:0]
		return err
	}
	for _, d := range drafts {
		nonce := newNonce()
		for part, c := range d.changes {
			args = append(args, uint64(d.position), part, string(c.Kind), c.Key, nonce)
			if len(args) == 5*entriesAtOnce {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

func insertEntries(rows int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO changes (seq, part, kind, key, nonce) VALUES `)
	for i := range rows * 5 {
		switch {
		case i == 0:
			b.WriteString("($")
		case i%5 == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	return b.String() + ")"
}
