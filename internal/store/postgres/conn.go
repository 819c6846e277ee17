package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/propusk/propusk/internal/store"
)

const (
	// graceOfServer is how much later than the server the client gives a
	// statement up: only a server that no longer answers gets that far.
	graceOfServer   = 5 * time.Second
	rollbackTimeout = 5 * time.Second

	// graceOfCaller is how long a statement may go on after its caller has left.
	// Cutting it off costs the connection, and making one costs more than most
	// statements: callers who leave at once must not keep the pool busy with that.
	graceOfCaller = time.Second
)

// conn is the inside of one transaction. Its BEGIN travels with the first
// statement: one message and one answer less.
type conn struct {
	engine *Engine
	ctx    context.Context // the caller's
	work   context.Context // of statements: it ends a little later
	done   func()          // ends work
	pooled *pgxpool.Conn
	begin  string
	begun  bool
	tells  bool  // its commit is announced to other engines
	first  error // of the first statement that failed
	class  failure
}

func (e *Engine) connect(ctx context.Context, begin string) (*conn, error) {
	pooled, err := e.acquire(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{engine: e, ctx: ctx, pooled: pooled, begin: begin}
	c.work, c.done = outlive(ctx, graceOfCaller)
	return c, nil
}

// outlive returns a context that ends a while after another, or by cancel.
func outlive(ctx context.Context, by time.Duration) (_ context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(by, end)
		context.AfterFunc(longer, func() { late.Stop() })
	})
	return longer, func() { forget(); end() }
}

// end takes back what was not committed and gives the connection back; the
// pool keeps only those in good order.
func (c *conn) end() {
	c.done()
	if c.pooled == nil {
		return
	}
	if pg := c.pooled.Conn().PgConn(); !pg.IsClosed() && pg.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), rollbackTimeout)
		_, _ = pg.Exec(ctx, `ROLLBACK`).ReadAll()
		cancel()
	}
	c.pooled.Release()
	c.pooled = nil
}

// note remembers the first failure: those that follow only tell that there was one.
func (c *conn) note(err error) error {
	if err != nil && c.first == nil {
		c.first, c.class = err, classOf(err, c.closed())
	}
	return err
}

func (c *conn) closed() bool { return c.pooled == nil || c.pooled.Conn().IsClosed() }

// Announce implements store.Announcer.
func (c *conn) Announce() { c.tells = true }

// Exec implements store.Conn.
func (c *conn) Exec(query string, args ...any) (int64, error) {
	r, err := c.run(query, args)
	if err != nil {
		return 0, err
	}
	return r.affected, nil
}

// Query implements store.Conn. All rows are read at once, so that other
// statements can run while they are looked at.
func (c *conn) Query(query string, args ...any) (store.Rows, error) {
	r, err := c.run(query, args)
	if err != nil {
		return nil, err
	}
	return r, nil
}

var errEnded = errors.New("postgres: transaction used after its end")

func (c *conn) run(query string, args []any) (*rows, error) {
	if c.pooled == nil {
		return nil, errEnded
	}
	values, err := arguments(args)
	if err != nil {
		return nil, err
	}
	if err := c.ctx.Err(); err != nil {
		return nil, c.note(err)
	}
	ctx, cancel := context.WithTimeout(c.work, c.engine.statementTimeout+graceOfServer)
	defer cancel()
	if c.begun {
		answer, err := c.pooled.Query(ctx, query, values...)
		if err != nil {
			return nil, c.note(err)
		}
		r, err := readAll(answer)
		return r, c.note(err)
	}
	r, err := c.start(ctx, query, values)
	if err != nil && c.ctx.Err() == nil && classOf(err, c.closed()) == failedLost {
		// A connection that had died in the pool, likely with its neighbours.
		// Nothing was done on it: another will do.
		c.engine.pool.Reset()
		c.pooled.Release()
		if c.pooled, err = c.engine.acquire(ctx); err != nil {
			return nil, c.note(err)
		}
		r, err = c.start(ctx, query, values)
	}
	return r, c.note(err)
}

// start begins the transaction and runs its first statement.
func (c *conn) start(ctx context.Context, query string, values []any) (r *rows, err error) {
	var batch pgx.Batch
	batch.Queue(c.begin)
	batch.Queue(query, values...)
	answers := c.pooled.SendBatch(ctx, &batch)
	defer func() {
		if end := answers.Close(); err == nil {
			err = end
		}
	}()
	if _, err := answers.Exec(); err != nil {
		return nil, err
	}
	c.begun = true
	answer, err := answers.Query()
	if err != nil {
		return nil, err
	}
	return readAll(answer)
}
