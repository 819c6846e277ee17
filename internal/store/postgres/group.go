package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/propusk/propusk/internal/store"
)

const (
	// maxGroup bounds how many updates share one commit: the first has its locks
	// for as long as the others need.
	maxGroup = 16
	// memberLock is how long an update that shares a transaction waits for a
	// lock. Two groups that wait for each other's locks would otherwise stand
	// still until the server finds out.
	memberLock = `SET LOCAL lock_timeout = 5; `
)

// member is an update on its way: it leads a transaction of its own, or runs in
// another's, in a savepoint, on its caller's own goroutine.
type member struct {
	ctx   context.Context
	fn    func(store.Conn) (*store.Draft, error)
	turn  chan *conn // its turn, on this connection
	ran   chan struct{}
	ended chan outcome

	draft *store.Draft // what its run has left
	err   error
	whole bool // its run has returned
}

// outcome is what became of a member.
type outcome struct {
	again bool // it must be run again, on its own
	err   error
}

func newMember(ctx context.Context, fn func(store.Conn) (*store.Draft, error)) *member {
	return &member{ctx: ctx, fn: fn, turn: make(chan *conn), ran: make(chan struct{}, 1), ended: make(chan outcome, 1)}
}

// run takes the turn. A panic or Goexit of fn ends it like a return.
func (m *member) run(c *conn) outcome {
	m.draft, m.err, m.whole = nil, nil, false
	func() {
		defer func() { m.ran <- struct{}{} }()
		m.draft, m.err = m.fn(c)
		m.whole = true
	}()
	return <-m.ended
}

// line is the updates that wait for a connection, the oldest first.
type line struct {
	mu      sync.Mutex
	waiting []*member
}

func (l *line) add(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, m)
}

// remove takes a member out; false when somebody has taken it along.
func (l *line) remove(m *member) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, m)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	return i >= 0
}

func (l *line) next() *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	m := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	return m
}

// await waits until there is a connection for an update to lead on, or until
// another has taken it along, whose outcome is then the update's.
func (e *Engine) await(m *member, joins bool) (leads bool, o outcome) {
	select {
	case e.writers <- struct{}{}:
		return true, o
	default:
	}
	if !joins {
		select {
		case e.writers <- struct{}{}:
			return true, o
		case <-m.ctx.Done():
			return false, outcome{err: m.ctx.Err()}
		}
	}
	e.line.add(m)
	select {
	case c := <-m.turn:
		return false, m.run(c)
	case e.writers <- struct{}{}:
		if e.line.remove(m) {
			return true, o
		}
		<-e.writers
	case <-m.ctx.Done():
		if e.line.remove(m) {
			return false, outcome{err: m.ctx.Err()}
		}
	}
	return false, m.run(<-m.turn) // it was taken along at the same moment
}

// group is the updates that share a transaction behind the one that leads it.
type group struct {
	c       *conn
	joined  bool           // somebody was taken along, whatever became of him
	drafts  []*store.Draft // in the order of their runs, the leader's first
	members []*member      // whose changes are in the transaction
	refused []*member      // whose changes are not, by their own fault; they have seen the others'
}

// gather takes along those who wait.
func (g *group) gather(e *Engine) {
	for len(g.drafts) < maxGroup {
		m := e.line.next()
		if m == nil {
			return
		}
		if !g.joined {
			g.joined = true
			g.c.detach()
		}
		if !g.add(m) {
			return
		}
	}
}

// add runs a member in a savepoint; false when the group had better end.
func (g *group) add(m *member) bool {
	c := &conn{engine: g.c.engine, ctx: m.ctx, work: g.c.work, done: func() {}, pooled: g.c.pooled, begun: true}
	if g.c.simple(memberLock+`SAVEPOINT own`) != nil {
		c.pooled = nil // its function finds out and is run again
	}
	m.turn <- c
	<-m.ran
	lost := c.closed()
	c.pooled = nil // whoever kept the connection finds it ended
	if m.whole && m.err == nil && c.first == nil && m.ctx.Err() == nil && !lost && !m.draft.OvertakenBy(g.drafts) {
		g.members, g.drafts = append(g.members, m), append(g.drafts, m.draft)
		return true
	}
	g.dismiss(m, c, lost)
	if lost || g.c.simple(`ROLLBACK TO own`) != nil {
		return false
	}
	return c.first == nil || c.class == failedItself
}

// dismiss decides about a member whose changes will not be in the transaction.
func (g *group) dismiss(m *member, c *conn, lost bool) {
	switch {
	case !m.whole: // its caller is gone with a panic
	case m.ctx.Err() != nil:
		m.ended <- outcome{err: m.ctx.Err()}
	case lost || m.err == nil || (c.first != nil && c.class != failedItself):
		m.ended <- outcome{again: true}
	default:
		g.refused = append(g.refused, m)
	}
}

// end tells all members what became of the transaction; own errors stand when
// what they were made from was committed.
func (g *group) end(err error, unknown bool) {
	for _, m := range g.members {
		m.ended <- outcome{again: err != nil && !unknown, err: err}
	}
	for _, m := range g.refused {
		m.ended <- outcome{again: err != nil, err: m.err}
	}
	g.members, g.refused = nil, nil
}

// overtake ends the member that a draft is of; false when that is the leader.
func (g *group) overtake(d *store.Draft, err error) bool {
	for i, m := range g.members {
		if m.draft == d {
			g.members = slices.Delete(g.members, i, i+1)
			m.ended <- outcome{err: err}
			return true
		}
	}
	return false
}

var errAbandoned = errors.New("postgres: the transaction was given up")

// detach makes the transaction go on whether or not its leader's caller stays.
func (c *conn) detach() {
	c.done()
	c.ctx = context.WithoutCancel(c.ctx)
	c.work, c.done = c.ctx, func() {}
}

// simple runs statements without arguments.
func (c *conn) simple(statements string) error {
	ctx, cancel := context.WithTimeout(c.work, c.engine.statementTimeout+graceOfServer)
	defer cancel()
	_, err := c.pooled.Conn().PgConn().Exec(ctx, statements).ReadAll()
	return c.note(err)
}
