// Package store keeps Propusk's rows: what goes in, what comes out, once, for
// every engine. It owns the tables, the change feed and the two ways to touch
// them, DB.View and DB.Update. There is one file of plain functions for each
// table; all take the transaction first.
//
// The store holds no rules: who may do what is decided before a row is touched.
// It remembers nothing between transactions: that is the replica's work.
package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// ErrMoved is what Update returns when something that its guard names has
// changed since the guard's position: the decision that led here is old and
// must be made again.
var ErrMoved = errors.New("what the decision rests on has changed meanwhile")

// Options are the settings of a DB; the zero value is usable.
type Options struct {
	Now func() time.Time // time.Now when nil
}

// DB is a store on an engine. It is safe for concurrent use.
type DB struct {
	engine Engine
	now    func() time.Time

	committed atomic.Uint64 // the highest position committed through this DB

	hook      func(context.Context, iam.Position)
	hookMu    sync.Mutex
	announced uint64 // the highest position that hook has returned for; under hookMu
}

// New makes a DB on an engine, which the DB owns from now on.
func New(engine Engine, options Options) *DB {
	now := options.Now
	if now == nil {
		now = time.Now
	}
	return &DB{engine: engine, now: now}
}

// AfterCommit sets the function that Update calls with a position, at or above
// the one it has committed, before it returns. It must be set before the first
// Update and at most once.
func (db *DB) AfterCommit(hook func(context.Context, iam.Position)) { db.hook = hook }

// Migrate brings the schema to the version that this program knows, and
// refuses a newer one.
func (db *DB) Migrate(ctx context.Context) error { return db.engine.Migrate(ctx) }

// Close waits for running transactions and closes the engine.
func (db *DB) Close() error { return db.engine.Close() }

// View runs fn on one snapshot: whatever it reads, it reads as of one moment.
// Few views run at a time, so fn does not wait for anything but its reads.
// The transaction must not be used after fn has returned.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	return db.engine.View(ctx, func(c Conn) error {
		tx := &Tx{db: db, conn: c, now: db.timeOfTransaction()}
		defer tx.end()
		return fn(tx)
	})
}

// Update runs fn in a transaction that is committed, durably, when fn returns
// nil, and leaves no trace otherwise. fn may run more than once and must do
// nothing but the transaction: no network, no key generation, no other View or
// Update. When ctx carries a guard (see WithGuard) that has moved, fn does not
// run and the error is ErrMoved; the AfterCommit hook has then returned for what
// moved it, so that whoever decides again does so from the new state.
//
// A ctx that ends early either prevents the transaction as a whole or comes too
// late: on a nil error everything is committed and the AfterCommit hook has
// returned for this transaction's position.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	guard := guardOf(ctx)
	var draft *Draft
	run := func(c Conn) (*Draft, error) {
		tx := &Tx{db: db, conn: c, now: db.timeOfTransaction(), writes: true}
		defer tx.end()
		draft = &Draft{db: db, guard: guard}
		defer func() { draft.head = tx.head }()
		if err := guard.check(tx); err != nil {
			return nil, err
		}
		if err := fn(tx); err != nil {
			return nil, err
		}
		if err := tx.keepsOwners(); err != nil {
			return nil, err
		}
		if tx.failed != nil {
			return nil, tx.failed
		}
		draft.changes, draft.revoked = tx.changes, tx.revoked
		return draft, nil
	}
	err := db.update(ctx, run)
	var position, seen iam.Position
	if draft != nil {
		position, seen = draft.position, draft.head
	}
	switch {
	case err == nil && position > 0:
		db.announce(ctx, uint64(position))
	case errors.Is(err, ErrMoved) && seen > 0:
		db.announce(ctx, uint64(seen))
	}
	return err
}

// update runs an update by the engine's own way.
func (db *DB) update(ctx context.Context, run func(c Conn) (*Draft, error)) error {
	if e, ok := db.engine.(GroupEngine); ok {
		return e.UpdateInGroup(ctx, run)
	}
	return db.engine.Update(ctx, func(c Conn) error {
		draft, err := run(c)
		if err != nil {
			return err
		}
		_, err = Seal(c, draft)
		return err
	})
}

// announce tells the hook of a commit. Updates that finish together share one
// call: the first to come names the newest position of all, the others find
// theirs announced.
func (db *DB) announce(ctx context.Context, position uint64) {
	if db.hook == nil {
		return
	}
	for {
		seen := db.committed.Load()
		if seen >= position || db.committed.CompareAndSwap(seen, position) {
			break
		}
	}
	db.hookMu.Lock()
	defer db.hookMu.Unlock()
	if db.announced >= position {
		return
	}
	newest := db.committed.Load()
	// The change is committed: a caller who has gone away does not undo it, so
	// the hook must not be cut short by his context.
	db.hook(context.WithoutCancel(ctx), iam.Position(newest))
	db.announced = newest
}

func (db *DB) timeOfTransaction() time.Time { return db.now().UTC().Truncate(time.Microsecond) }
