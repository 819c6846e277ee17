package sqlite

import (
	"context"
	"errors"
	"sync"

	"github.com/propusk/propusk/internal/store"
)

// maxReaders bounds the snapshots that are open at once; further views wait.
const maxReaders = 8

// readers are the connections for views: opened when needed, and the one used
// last is used next, so that a quiet server keeps few of them warm.
type readers struct {
	connect func() (*conn, error)
	slots   chan struct{}
	mu      sync.Mutex
	free    []*conn
}

func (r *readers) init(n int, connect func() (*conn, error)) {
	r.connect, r.slots = connect, make(chan struct{}, n)
}

func (r *readers) take(ctx context.Context) (*conn, error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	if n := len(r.free); n > 0 {
		c := r.free[n-1]
		r.free = r.free[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	c, err := r.connect()
	if err != nil {
		<-r.slots
	}
	return c, err
}

func (r *readers) give(c *conn, healthy bool) {
	if healthy {
		r.mu.Lock()
		r.free = append(r.free, c)
		r.mu.Unlock()
	} else {
		_ = c.close()
	}
	<-r.slots
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, c := range r.free {
		errs = append(errs, c.close())
	}
	r.free = nil
	return errors.Join(errs...)
}

// View implements store.Engine.
func (e *Engine) View(ctx context.Context, fn func(store.Conn) error) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.inFlight.Done()
	c, err := e.readers.take(ctx)
	if err != nil {
		return err
	}
	healthy := false
	defer func() { e.readers.give(c, healthy) }()

	if _, err := c.Exec(`BEGIN`); err != nil {
		return err
	}
	// In a function, so that a panic or Goexit of fn ends the snapshot too.
	defer func() {
		c.closeRows()
		_, err := c.Exec(`ROLLBACK`)
		healthy = err == nil
	}()
	return fn(viewConn{c, ctx})
}

// viewConn stops a view between statements when its context has ended.
type viewConn struct {
	*conn
	ctx context.Context
}

func (v viewConn) Exec(query string, args ...any) (int64, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, err
	}
	return v.conn.Exec(query, args...)
}

func (v viewConn) Query(query string, args ...any) (store.Rows, error) {
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	return v.conn.Query(query, args...)
}
