package metadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits of a Server's connections. A request is a few hundred bytes from a
// neighbour, so there is no reason to wait long for one.
const (
	headerWait  = 5 * time.Second
	requestWait = 10 * time.Second
	answerWait  = 30 * time.Second
	idleWait    = time.Minute
	headerBytes = 8 << 10

	defaultConnections = 1024
)

// ServerConfig says where doors are reached.
type ServerConfig struct {
	Name    string // as in the door's Config
	Address string // host:port
	// Interfaces are the only ones from which connections are taken; only Linux
	// can tell them apart. None: connections are taken from this machine alone,
	// since a neighbour on the network can send to any address that it has.
	Interfaces []string
	// Shared is that another Server has the address at interfaces of its own: then
	// one without Interfaces is kept to the loopback interface, by which this
	// machine's programs come whatever the address.
	Shared bool
	// MaxConnections bounds open connections, 0: 1024; with Interfaces, an eighth of
	// it those of one client.
	MaxConnections int
	Log            *slog.Logger
	Metrics        *Metrics
}

// Server is a bound address and the door behind it.
type Server struct {
	name      string
	listeners []net.Listener
	http      *http.Server
	door      *Door
}

// Listen binds the address, once for each interface. Errors say what an operator
// can do about them.
func Listen(ctx context.Context, c ServerConfig, d *Door) (*Server, error) {
	most := c.MaxConnections
	if most == 0 {
		most = defaultConnections
	}
	bounds := &bounds{most: most, each: max(1, most/8), of: map[netip.Addr]int{}, local: len(c.Interfaces) == 0,
		refused: func(client netip.Addr, reason string) {
			c.Metrics.connectionRefused(d.c.Name, reason)
			d.log.closed(d.c.Name, client, reason)
		},
		failed: func(err error) {
			c.Metrics.connectionRefused(d.c.Name, "accept_failed")
			d.log.notAccepted(d.c.Name, err)
		}}
	if bounds.local { // all are one machine, often under one address
		bounds.each = most
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{name: c.Name, door: d, http: &http.Server{
		Handler:           d,
		ReadHeaderTimeout: headerWait, ReadTimeout: requestWait, WriteTimeout: answerWait, IdleTimeout: idleWait,
		MaxHeaderBytes:               headerBytes,
		DisableGeneralOptionsHandler: true, // the door refuses those requests as all others
		ConnContext:                  withConn,
		Protocols:                    new(http.Protocols),
		// Its lines are about clients that break off or speak garbage.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	s.http.Protocols.SetHTTP1(true)
	all, err := listeners(ctx, c, log)
	for _, l := range all {
		s.listeners = append(s.listeners, &boundedListener{Listener: l, bounds: bounds})
	}
	if err != nil {
		s.closeListeners()
		return nil, err
	}
	return s, nil
}

// Addr is the bound address, host:port.
func (s *Server) Addr() string { return s.listeners[0].Addr().String() }

// Serve answers until Shutdown or Close, then returns nil.
func (s *Server) Serve() error {
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { failed <- s.http.Serve(l) }()
	}
	var first error
	for range s.listeners {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) && first == nil {
			first = fmt.Errorf("metadata address %s: %w", s.name, err)
			s.Close()
		}
	}
	return first
}

// Shutdown stops taking connections, ends waits, and lets requests end until ctx
// does; then it breaks them off and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.door.Close()
	defer s.closeListeners() // those that Serve has not taken
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("metadata address %s: requests were broken off: %w", s.name, err)
	}
	return nil
}

// Close breaks everything off.
func (s *Server) Close() {
	s.door.Close()
	_ = s.http.Close()
	s.closeListeners()
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// bounds counts open connections, of all clients and of each.
type bounds struct {
	most, each int
	local      bool // clients of this machine alone
	refused    func(client netip.Addr, reason string)
	failed     func(err error) // of a connection that could not even be taken

	mu    sync.Mutex
	total int
	of    map[netip.Addr]int
}

// enter lets a client in that connected to here, or says why not.
func (b *bounds) enter(client, here netip.Addr) (refused string) {
	if b.local && (!client.IsValid() || client != here && !isLocal(client)) {
		return "not_local"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total >= b.most || b.of[client] >= b.each {
		return "too_many"
	}
	b.total++
	b.of[client]++
	return ""
}

// isLocal tells whether an address is this machine's. Whoever completes a
// handshake under one is on it: answers to it leave by no interface.
func isLocal(client netip.Addr) bool {
	if client.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == client.WithZone("") {
			return true
		}
	}
	return false
}

func (b *bounds) leave(client netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total--
	if b.of[client]--; b.of[client] == 0 {
		delete(b.of, client)
	}
}

// boundedListener closes connections beyond the bounds at once: one client that
// opens many keeps no other waiting.
type boundedListener struct {
	net.Listener
	*bounds
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.failed(err) // the HTTP server tries again, and says so where nobody reads it
			}
			return nil, err
		}
		client := addrOf(c.RemoteAddr())
		refused := l.enter(client, addrOf(c.LocalAddr()))
		if refused == "" {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { l.bounds.leave(client) })}, nil
		}
		_ = c.Close()
		l.refused(client, refused)
	}
}

func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
