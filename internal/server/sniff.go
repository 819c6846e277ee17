package server

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

const (
	sniffWait    = 10 * time.Second
	sniffPending = 512
	// tlsHandshake opens every TLS record of a ClientHello (RFC 8446, 5.1); no
	// HTTP method and no HTTP/2 preface begins with it.
	tlsHandshake = 0x16
)

// bothListener takes TLS and plaintext on one port: the first byte tells.
// Only `dev` makes one. Accept returns a *tls.Conn (which net/http knows for
// what it is) or the plain connection; it is never held up by a client that
// says nothing, because such a client waits in a goroutine of its own, for
// sniffWait at most, and at most sniffPending of them.
type bothListener struct {
	net.Listener
	config *tls.Config
	wait   time.Duration

	ready chan net.Conn
	slots chan struct{}
	done  chan struct{}
	err   error // why accepting ended; set before done is closed

	mu      sync.Mutex
	pending map[net.Conn]struct{} // nil once closed
}

func listenBoth(inner net.Listener, config *tls.Config, wait time.Duration) *bothListener {
	l := &bothListener{
		Listener: inner, config: config, wait: wait,
		ready: make(chan net.Conn), slots: make(chan struct{}, sniffPending), done: make(chan struct{}),
		pending: map[net.Conn]struct{}{},
	}
	go l.accept()
	return l
}

func (l *bothListener) accept() {
	for {
		l.slots <- struct{}{}
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			if ne, ok := err.(interface{ Temporary() bool }); ok && ne.Temporary() { // out of file descriptors: they come back
				time.Sleep(10 * time.Millisecond)
				continue
			}
			l.err = err
			close(l.done)
			return
		}
		if !l.track(conn) {
			conn.Close()
			<-l.slots
			continue
		}
		go func() {
			defer func() { <-l.slots }()
			l.sniff(conn)
		}()
	}
}

func (l *bothListener) sniff(conn net.Conn) {
	first := make([]byte, 1)
	_ = conn.SetReadDeadline(time.Now().Add(l.wait))
	n, err := conn.Read(first)
	l.untrack(conn)
	if n == 0 || err != nil {
		conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(l.wait)) // until the server sets its own
	var out net.Conn = &rereadConn{Conn: conn, first: first}
	if first[0] == tlsHandshake {
		out = tls.Server(out, l.config)
	}
	select {
	case l.ready <- out:
	case <-l.done:
		conn.Close()
	}
}

// Accept returns the next connection that has said its first byte.
func (l *bothListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.ready:
		return conn, nil
	case <-l.done:
		return nil, l.err
	}
}

// Close ends the listener and the connections that nobody has accepted.
func (l *bothListener) Close() error {
	err := l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.pending {
		conn.Close()
	}
	l.pending = nil
	return err
}

func (l *bothListener) track(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil {
		return false
	}
	l.pending[conn] = struct{}{}
	return true
}

func (l *bothListener) untrack(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, conn)
}

// rereadConn gives the first byte back before the rest.
type rereadConn struct {
	net.Conn
	first []byte
}

func (c *rereadConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 && len(p) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
