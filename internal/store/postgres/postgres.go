// Package postgres is the shared engine of the store: many nodes on one
// PostgreSQL database. Updates of all nodes run side by side under READ
// COMMITTED, those of a busy node in groups, and are run again after a deadlock;
// views are REPEATABLE READ snapshots. What Update has acknowledged is committed,
// and what it cannot know it says it does not know.
package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Config says which database to use, and how. Zero fields take the defaults.
type Config struct {
	// URL is postgres://user:password@host:port/database?sslmode=…; what it does
	// not say comes from the environment (PGPASSWORD and the like) as libpq has
	// it. With several hosts the one that takes writes is used.
	URL iam.Secret
	// PoolSize bounds the connections, 16 by default and 2 at least. A quarter of
	// them is for updates, which share transactions beyond that; so updates that
	// wait for each other's locks never hide the feed from a node. Listen has one
	// more.
	PoolSize int
	// ConnectTimeout bounds the making of one connection to one host: 5 s.
	ConnectTimeout time.Duration
	// StatementTimeout bounds one statement, its wait for locks included: 30 s.
	StatementTimeout time.Duration
}

// Engine implements store.Engine.
type Engine struct {
	pool             *pgxpool.Pool
	statementTimeout time.Duration
	name             string        // by which Listen knows what this engine has announced
	writers          chan struct{} // a slot for each transaction that updates
	line             line
	hushedUntil      atomic.Int64 // nanoseconds since 1970
	lifeMu           sync.Mutex
	closed           bool
	inFlight         sync.WaitGroup
}

var _ store.GroupEngine = (*Engine)(nil)

// Open connects to a database. A server that cannot be reached is UNAVAILABLE;
// no error shows the password.
func Open(ctx context.Context, c Config) (*Engine, error) {
	settings, err := c.poolSettings()
	if err != nil {
		return nil, err
	}
	e := &Engine{statementTimeout: c.statementTimeout(), name: rand.Text(), writers: make(chan struct{}, max(1, settings.MaxConns/4))}
	settings.AfterConnect = func(ctx context.Context, pc *pgx.Conn) error { return prepareSession(ctx, pc, e.statementTimeout) }
	settings.ConnConfig.OnNotice = noteWarning
	if e.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), settings); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := e.greet(ctx); err != nil {
		e.pool.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return e, nil
}

// greet makes the first connection and looks whether it leads to a database
// that can hold any text.
func (e *Engine) greet(ctx context.Context) error {
	pc, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer pc.Release()
	if encoding := pc.Conn().PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		return fmt.Errorf("its encoding is %s: make the database with ENCODING 'UTF8'", encoding)
	}
	return nil
}

// RowLock implements store.Engine. It is the lock that an UPDATE takes, and
// leaves alone the foreign keys that others are checking against the row.
func (e *Engine) RowLock() string { return " FOR NO KEY UPDATE" }

// IsUnique implements store.Engine.
func (e *Engine) IsUnique(err error) bool { return hasCode(err, codeUnique) }

// Close implements store.Engine. Closing twice is harmless.
func (e *Engine) Close() error {
	e.lifeMu.Lock()
	if e.closed {
		e.lifeMu.Unlock()
		return nil
	}
	e.closed = true
	e.lifeMu.Unlock()
	e.inFlight.Wait()
	e.pool.Close()
	return nil
}

// enter counts a transaction in, unless the engine is closed.
func (e *Engine) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.lifeMu.Lock()
	defer e.lifeMu.Unlock()
	if e.closed {
		return iam.Errorf(iam.Unavailable, "The database is closed")
	}
	e.inFlight.Add(1)
	return nil
}

// acquire takes a connection from the pool.
func (e *Engine) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	pc, err := e.pool.Acquire(ctx)
	switch {
	case err == nil:
		return pc, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, unavailable(err)
}
