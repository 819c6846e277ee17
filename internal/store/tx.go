package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Tx is one transaction of a DB: a snapshot in View, a change in Update. It is
// used by one goroutine and not after its function has returned.
type Tx struct {
	db     *DB
	conn   Conn
	now    time.Time
	writes bool

	failed  error        // of the first statement that failed
	head    iam.Position // up to which the guard has looked; 0 when there was none
	changes []Change
	changed map[Change]struct{}
	revoked []pendingRevocation

	lostOwner map[Ownership]struct{}
}

// Now is the time of this transaction: the same whenever asked, UTC, in whole
// microseconds.
func (tx *Tx) Now() time.Time { return tx.now }

// Head is the position of the feed in this snapshot: that of the last change
// committed before it.
func (tx *Tx) Head() (iam.Position, error) {
	var head uint64
	_, err := tx.one(`SELECT seq FROM feed_head`, nil, &head)
	return iam.Position(head), err
}

var (
	errEnded    = errors.New("store: transaction used after its end")
	errReadOnly = errors.New("store: a View cannot change anything")
	errFailed   = errors.New("store: transaction used after one of its statements has failed")
)

func (tx *Tx) end() { tx.conn = nil }

// record notes a change for the feed; the same change twice is one.
func (tx *Tx) record(kind ChangeKind, key string) {
	c := Change{Kind: kind, Key: key}
	if _, ok := tx.changed[c]; ok {
		return
	}
	if tx.changed == nil {
		tx.changed = make(map[Change]struct{})
	}
	tx.changed[c] = struct{}{}
	tx.changes = append(tx.changes, c)
}

// recordAll notes a change of each key.
func (tx *Tx) recordAll(kind ChangeKind, keys []string) {
	for _, key := range keys {
		tx.record(kind, key)
	}
}

func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if tx.conn == nil {
		return 0, errEnded
	}
	if !tx.writes {
		return 0, errReadOnly
	}
	if tx.failed != nil {
		return 0, errFailed
	}
	n, err := tx.conn.Exec(query, args...)
	return n, tx.note(err)
}

func (tx *Tx) query(query string, args []any) (Rows, error) {
	if tx.conn == nil {
		return nil, errEnded
	}
	if tx.failed != nil {
		return nil, errFailed
	}
	rows, err := tx.conn.Query(query, args...)
	return rows, tx.note(err)
}

// note remembers that a statement has failed. Such a transaction is never
// committed, even when its function makes light of the error: some engines
// refuse it, and half of what a table function does is worse than nothing.
func (tx *Tx) note(err error) error {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
	return err
}

// each runs a query and hands every row to scan.
func (tx *Tx) each(query string, args []any, scan func(Rows) error) (err error) {
	rows, err := tx.query(query, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return tx.note(rows.Err())
}

// one scans the first row of a query into dest and says whether there was one.
func (tx *Tx) one(query string, args []any, dest ...any) (found bool, err error) {
	rows, err := tx.query(query, args)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if !rows.Next() {
		return false, tx.note(rows.Err())
	}
	return true, rows.Scan(dest...)
}

// collect reads all rows of a query.
func collect[T any](tx *Tx, scan func(Rows) (T, error), query string, args ...any) ([]T, error) {
	var all []T
	err := tx.each(query, args, func(r Rows) error {
		v, err := scan(r)
		if err != nil {
			return err
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

// first reads the first row of a query; a miss is NOT_FOUND of the named thing.
func first[T any](tx *Tx, thing, id string, scan func(Rows) (T, error), query string, args ...any) (T, error) {
	var v T
	found := false
	err := tx.each(query, args, func(r Rows) error {
		if found {
			return nil
		}
		found = true
		var err error
		v, err = scan(r)
		return err
	})
	if err == nil && !found {
		err = notFound(thing, id)
	}
	return v, err
}

// mustChange turns "no row was changed" into NOT_FOUND of the named thing.
func mustChange(rows int64, err error, thing, id string) error {
	if err != nil {
		return err
	}
	if rows == 0 {
		return notFound(thing, id)
	}
	return nil
}

func notFound(thing, id string) error {
	return iam.Errorf(iam.NotFound, "%s %s not found", thing, id)
}

// unlessTaken turns the violation of a unique constraint into ALREADY_EXISTS
// with a text for the caller; other errors pass.
func (tx *Tx) unlessTaken(err error, format string, args ...any) error {
	if err != nil && tx.db.engine.IsUnique(err) {
		return iam.Wrap(err, iam.AlreadyExists, "%s", fmt.Sprintf(format, args...))
	}
	return err
}

func scanString(r Rows) (string, error) {
	var s string
	err := r.Scan(&s)
	return s, err
}

func scanSubjectID(r Rows) (iam.SubjectID, error) {
	s, err := scanString(r)
	return iam.SubjectID(s), err
}
