package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/propusk/propusk/internal/store"
)

const (
	beginUpdate = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`
	// The commit is under no statement timeout: cancelling one that waits for a
	// standby makes it a success that the standby may not have.
	commitUpdate  = `SET LOCAL statement_timeout = 0; COMMIT`
	commitTimeout = 30 * time.Second

	maxRaces   = 12 // runs of a function that others come in the way of
	maxOrphans = 4  // of one whose foreign keys lead nowhere
	maxPause   = 100 * time.Millisecond
)

// Update implements store.Engine. fn is run again when others came in its way
// or the connection was lost before the commit. A context that ends before the
// commit is sent prevents it; later it is too late.
func (e *Engine) Update(ctx context.Context, fn func(store.Conn) error) error {
	return e.UpdateInGroup(ctx, func(c store.Conn) (*store.Draft, error) { return &store.Draft{}, fn(c) })
}

// UpdateInGroup implements store.GroupEngine. While there are connections to
// spare each update has a transaction of its own; those that find none are
// taken along by the next that has run its own part.
func (e *Engine) UpdateInGroup(ctx context.Context, fn func(store.Conn) (*store.Draft, error)) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.inFlight.Done()
	m := newMember(ctx, fn)
	for run := 1; ; run++ {
		leads, o := e.await(m, run == 1)
		again := maxRaces
		if leads {
			again, o.err = e.lead(m, run == 1)
		} else if !o.again {
			return o.err
		}
		if run >= again {
			return o.err
		}
		if err := pause(ctx, run); err != nil {
			return err
		}
	}
}

// lead runs an update and those that it takes along, and commits. On an error
// it also returns how many runs of the update such an error is worth.
func (e *Engine) lead(m *member, gathers bool) (runs int, err error) {
	defer func() { <-e.writers }()
	c, err := e.connect(m.ctx, beginUpdate)
	if err != nil {
		return 0, err
	}
	// Deferred, so that a panic or Goexit of fn takes back what it did.
	defer c.end()
	g := &group{c: c}
	defer func() { g.end(errAbandoned, false) }()
	draft, err := m.fn(c)
	if err == nil {
		err = c.first // a transaction with a failed statement commits nothing
	}
	if err != nil {
		return c.worth(), c.verdict(err)
	}
	g.drafts = []*store.Draft{draft}
	if gathers && c.begun {
		g.gather(e)
	}
	return g.commit()
}

// commit seals the transaction and commits it, for all who are in it.
func (g *group) commit() (runs int, err error) {
	c := g.c
	if err = c.first; err == nil && g.joined {
		err = c.simple(`SET LOCAL lock_timeout = 0`)
	}
	var overtaken *store.Draft
	if err == nil {
		overtaken, err = store.Seal(c, g.drafts...)
	}
	if overtaken != nil && c.first == nil && g.overtake(overtaken, err) {
		return maxRaces, err // the others, its leader among them, run again
	}
	if err == nil {
		err = c.first
	}
	if err == nil {
		if err = c.ctx.Err(); err != nil {
			return 0, err
		}
		if err = c.commit(); err == nil || errors.Is(err, ErrOutcomeUnknown) {
			g.end(err, true)
			return 0, err
		}
	}
	return c.worth(), c.verdict(err)
}

// worth is how many runs the failure of a transaction is worth.
func (c *conn) worth() int {
	switch {
	case c.first == nil || c.ctx.Err() != nil:
	case c.class == failedRace, c.class == failedLost:
		return maxRaces
	case c.class == failedOrphan:
		// Its function has looked whether the other row is there, or has not seen
		// a row that points to what it deletes: now it will.
		return maxOrphans
	}
	return 0
}

// pause waits longer after each run, at random, so that two who got into each
// other's way do not meet again.
func pause(ctx context.Context, run int) error {
	longest := min(time.Millisecond<<run, maxPause)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit makes the transaction durable. Only the server's own word is success,
// only the server's own refusal is failure: all else is an unknown outcome.
func (c *conn) commit() error {
	if !c.begun {
		return nil
	}
	// The caller's context must not leave the outcome open.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), commitTimeout)
	defer cancel()
	pg := c.pooled.Conn().PgConn()
	takeWarning(pg)
	statements, tells := commitUpdate, c.tells && c.engine.mayTell()
	if tells {
		statements = `NOTIFY ` + channel + `, '` + c.engine.name + `'; ` + commitUpdate
	}
	results, err := pg.Exec(ctx, statements).ReadAll()
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR":
		c.note(refused)
		if tells && refused.Code == codeLimit {
			c.engine.hush()
			c.class = failedRace // the next run says nothing
		}
		return refused
	case err != nil:
		return unknownOutcome(err)
	case len(results) == 0 || results[len(results)-1].CommandTag.String() != "COMMIT":
		return errors.New("postgres: the transaction was rolled back instead of committed")
	}
	if w := takeWarning(pg); w != nil {
		// Committed here, but somebody has cut short the wait for the standby: a
		// failover may lose it.
		return unknownOutcome((*pgconn.PgError)(w))
	}
	return nil
}
