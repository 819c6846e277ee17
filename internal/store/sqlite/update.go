package sqlite

import (
	"context"
	"errors"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// maxGroup bounds how many updates share one commit, so that the first of a
// group does not wait for ever while others keep coming.
const maxGroup = 256

// group is the updates that share a transaction and its one sync to disk. Each
// runs in a savepoint, on its caller's own goroutine, in turn; the one that
// finds nobody waiting behind it commits for all.
type group struct {
	size int
	done chan struct{} // closed when err is final
	err  error
}

// Update implements store.Engine. fn runs once. A context that ends before the
// turn has come prevents it; later it is too late.
func (e *Engine) Update(ctx context.Context, fn func(store.Conn) error) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.inFlight.Done()
	if err := e.turns.take(ctx); err != nil {
		return err
	}
	g, err := e.join()
	if err != nil {
		e.turns.release()
		return err
	}
	returned := false
	defer func() {
		// A panic or Goexit of fn undoes its own part and leaves the others whole.
		if !returned {
			e.leave(g, e.undo())
		}
	}()
	err = e.apply(ctx, fn)
	returned = true
	broken := err
	if own := (*ownError)(nil); errors.As(err, &own) {
		broken, err = nil, own.error
	}
	if lost := e.leave(g, broken); lost != nil {
		return lost
	}
	return err
}

// ownError is an error of an update alone; the group goes on.
type ownError struct{ error }

// join enters the open group or opens one.
func (e *Engine) join() (*group, error) {
	if e.group != nil {
		e.group.size++
		return e.group, nil
	}
	if e.writer == nil {
		c, err := e.connectWriter()
		if err != nil {
			return nil, cannotWrite(err)
		}
		e.writer = c
	}
	if _, err := e.writer.Exec(`BEGIN IMMEDIATE`); err != nil {
		return nil, cannotWrite(err)
	}
	e.group = &group{size: 1, done: make(chan struct{})}
	return e.group, nil
}

// apply runs fn in a savepoint. An error other than ownError has broken the
// transaction of the whole group.
func (e *Engine) apply(ctx context.Context, fn func(store.Conn) error) error {
	if _, err := e.writer.Exec(`SAVEPOINT own`); err != nil {
		return err
	}
	err := ctx.Err()
	if err == nil {
		err = fn(e.writer)
	}
	if err != nil {
		if broken := e.undo(); broken != nil {
			return errors.Join(broken, err)
		}
		return &ownError{err}
	}
	e.writer.closeRows()
	_, err = e.writer.Exec(`RELEASE own`)
	return err
}

// undo takes back what was done since the savepoint. SQLite undoes the whole
// transaction by itself on some failures, a full disk among them; then there is
// no savepoint and the group is lost.
func (e *Engine) undo() error {
	e.writer.closeRows()
	if _, err := e.writer.Exec(`ROLLBACK TO own`); err != nil {
		return err
	}
	_, err := e.writer.Exec(`RELEASE own`)
	return err
}

// leave hands the turn to the next update, which is then in charge of the
// group, or commits when there is none; it returns the outcome of the commit.
func (e *Engine) leave(g *group, broken error) error {
	if broken == nil && g.size < maxGroup && e.turns.pass() {
		<-g.done
		return g.err
	}
	e.finish(g, broken)
	e.turns.release()
	return g.err
}

// finish ends the group and tells all who wait for it.
func (e *Engine) finish(g *group, broken error) {
	if broken == nil {
		_, broken = e.writer.Exec(`COMMIT`)
	}
	if broken != nil {
		g.err = cannotWrite(broken)
		// Closing rolls back whatever is open and leaves nothing uncertain
		// behind in the connection; the next group opens another.
		_ = e.writer.close()
		e.writer = nil
	}
	e.group = nil
	close(g.done)
}

// cannotWrite is the answer when the file, not the update, is at fault: a full
// disk, an error of the device.
func cannotWrite(cause error) error {
	return iam.Wrap(cause, iam.Unavailable, "The database cannot be written at the moment")
}
