package store

import "context"

// Engine is the least that a database must give. Its SQL understands $1
// placeholders, ON CONFLICT, RETURNING, row values, EXISTS and recursive CTEs,
// and compares text byte by byte. storetest is the contract in full.
type Engine interface {
	// View runs fn on one read-only snapshot.
	View(ctx context.Context, fn func(Conn) error) error
	// Update runs fn in a transaction, durable once Update has returned nil and
	// without any trace when it returns an error. Concurrent updates are
	// isolated so that the order in which they take the row of feed_head is the
	// order in which they become visible. fn may be run again after a conflict.
	Update(ctx context.Context, fn func(Conn) error) error
	// Migrate brings the schema to the version that the program knows; a newer
	// one is an error.
	Migrate(ctx context.Context) error
	// RowLock is what a SELECT by primary key appends to hold its row until the
	// end of an Update: " FOR UPDATE", or "" where updates run one after another.
	RowLock() string
	// IsUnique says whether an error of Conn is the violation of a unique
	// constraint, by the engine's error code.
	IsUnique(err error) bool
	// Close waits for what runs and gives everything back.
	Close() error
}

// GroupEngine is an Engine that commits several updates in one transaction and
// seals them together, so that its nodes do not wait for each other's feed while
// an update is at work.
type GroupEngine interface {
	// UpdateInGroup is Update for a function that leaves what it has changed to
	// be sealed: Seal is called, once, when the last update of the group has run.
	UpdateInGroup(ctx context.Context, fn func(Conn) (*Draft, error)) error
}

// Conn is the inside of one transaction. It is used by one goroutine.
// Arguments are nil, integers, strings, booleans, []byte and types whose
// underlying type is one of these.
type Conn interface {
	// Exec runs a statement and returns how many rows it changed.
	Exec(query string, args ...any) (int64, error)
	// Query runs a statement that yields rows; they must be closed.
	Query(query string, args ...any) (Rows, error)
}

// Rows is what a query yields, row by row. Scan takes pointers to integers,
// strings, booleans and []byte, and sql.Scanner for columns that may be NULL.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// Announcer is a Conn whose commit other nodes can be told of: only so that
// they look at the feed sooner.
type Announcer interface {
	// Announce asks for it, for the transaction that is under way.
	Announce()
}
