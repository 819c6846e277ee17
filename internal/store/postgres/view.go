package postgres

import (
	"context"

	"github.com/propusk/propusk/internal/store"
)

const beginView = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`

// View implements store.Engine. The snapshot is that of the first statement.
func (e *Engine) View(ctx context.Context, fn func(store.Conn) error) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.inFlight.Done()
	c, err := e.connect(ctx, beginView)
	if err != nil {
		return err
	}
	// Deferred, so that a panic or Goexit of fn ends the snapshot too.
	defer c.end()
	err = fn(c)
	if hasCode(c.first, codeReadOnly) {
		return err // the function's fault: it has tried to write
	}
	return c.verdict(err)
}
