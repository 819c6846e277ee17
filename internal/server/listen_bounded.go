package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// boundedListener limits how many connections are open at a time, and lets no
// write wait without end for a peer that takes nothing: it fails after stall.
// (http.Server's WriteTimeout would end long polls and streams as well.)
type boundedListener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	close func() error
	stall time.Duration
}

func boundListener(inner net.Listener, most int, stall time.Duration) *boundedListener {
	done := make(chan struct{})
	return &boundedListener{
		Listener: inner, slots: make(chan struct{}, most), done: done, stall: stall,
		close: sync.OnceValue(func() error { close(done); return inner.Close() }),
	}
}

// Accept waits for a free place first, so that clients beyond the limit stay
// in the kernel's queue.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{Conn: conn, stall: l.stall, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *boundedListener) Close() error { return l.close() }

// boundedConn renews its write deadline while writes succeed, unless its user
// has set a deadline of its own.
type boundedConn struct {
	net.Conn
	stall   time.Duration
	release func()
	own     atomic.Bool  // a deadline set by the user is in force
	armed   atomic.Int64 // when ours was set last, Unix nanoseconds
}

func (c *boundedConn) Write(p []byte) (int, error) {
	if !c.own.Load() {
		now := time.Now()
		// Setting it at every write would cost more than it bounds.
		if n := now.UnixNano(); n-c.armed.Load() > int64(c.stall/8) {
			c.armed.Store(n)
			_ = c.Conn.SetWriteDeadline(now.Add(c.stall))
		}
	}
	return c.Conn.Write(p)
}

func (c *boundedConn) SetDeadline(t time.Time) error {
	c.own.Store(!t.IsZero())
	c.armed.Store(0)
	return c.Conn.SetDeadline(t)
}

func (c *boundedConn) SetWriteDeadline(t time.Time) error {
	c.own.Store(!t.IsZero())
	c.armed.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
