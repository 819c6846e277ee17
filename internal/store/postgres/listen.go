package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	channel = "propusk_feed"

	// silence is after how long without a word a listener looks whether its
	// line still leads anywhere.
	silence      = 20 * time.Second
	probeTimeout = 5 * time.Second
	leastRest    = 100 * time.Millisecond // between attempts to listen
	mostRest     = 5 * time.Second

	// hushed is how long commits go without a NOTIFY when the server's queue of
	// them is full: some session of any database listens and never comes to read.
	hushed = 30 * time.Second
)

// mayTell says whether a commit may carry a NOTIFY, which the server refuses
// together with the commit when its queue is full.
func (e *Engine) mayTell() bool { return time.Now().UnixNano() >= e.hushedUntil.Load() }

func (e *Engine) hush() { e.hushedUntil.Store(time.Now().Add(hushed).UnixNano()) }

// Listen calls wake whenever another engine on this database has committed
// something that the feed tells of, on a connection of its own, until ctx ends.
// It is a hint and no more: wake is also called when the line has just been
// made, as what was said before is lost, and a database or a pooler that cannot
// notify leaves its callers to look for themselves.
func (e *Engine) Listen(ctx context.Context, wake func()) {
	for rest := leastRest; ctx.Err() == nil; {
		heard := e.listenOnce(ctx, wake)
		if heard {
			rest = leastRest
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		rest = min(2*rest, mostRest)
	}
}

// listenOnce listens until the line is lost; true when there was one.
func (e *Engine) listenOnce(ctx context.Context, wake func()) bool {
	pc, err := pgx.ConnectConfig(ctx, e.pool.Config().ConnConfig)
	if err != nil {
		return false
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		_ = pc.Close(ctx)
	}()
	if err := prepareSession(ctx, pc, e.statementTimeout); err != nil {
		return false
	}
	if _, err := pc.Exec(ctx, `LISTEN `+channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false
	}
	for wake(); ; {
		waiting, cancel := context.WithTimeout(ctx, silence)
		n, err := pc.WaitForNotification(waiting)
		quiet := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			if n.Payload != e.name { // one's own commits are applied already
				wake()
			}
		case quiet && !pc.IsClosed() && e.answers(ctx, pc):
		default:
			return true
		}
	}
}

// answers tells whether a quiet line still leads to the server.
func (e *Engine) answers(ctx context.Context, pc *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return pc.Ping(ctx) == nil
}
