package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	maxGRPCMessage = 4 << 20
	grpcWindow     = 1 << 20
	streamWorkers  = 64 // calls beyond that get goroutines of their own
	// minClientPing is the shortest interval at which a gRPC client may ping.
	// The fastest clients (YDB's, grpc-go at its minimum) ping every 10 s, and
	// a ping that comes a moment early must not count against them.
	minClientPing = 5 * time.Second
	serverPing    = time.Minute // how long a gRPC peer may be silent before it is asked
	pingAnswer    = 20 * time.Second
)

// NewGRPCServer makes a gRPC server with the limits of the settings, whose
// calls come from the clients behind trusted proxies. It serves both doors;
// interceptors and the like are the caller's options.
func NewGRPCServer(c *Config, options ...grpc.ServerOption) *grpc.Server {
	if proxies, err := ParseProxies(c.TrustedProxies); err == nil && len(proxies.ranges) > 0 {
		options = append(options, grpc.InTapHandle(proxies.tap))
	}
	return grpc.NewServer(append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxGRPCMessage),
		grpc.MaxConcurrentStreams(uint32(c.MaxStreams)),
		grpc.MaxHeaderListSize(uint32(c.MaxHeaderBytes)),
		grpc.ConnectionTimeout(c.HandshakeTimeout),
		// A goroutine a call grows its stack anew each time; workers keep theirs.
		grpc.NumStreamWorkers(streamWorkers),
		// Messages here are small. Windows that adapt cost a ping and its answer
		// for nearly every call.
		grpc.StaticStreamWindowSize(grpcWindow), grpc.StaticConnWindowSize(grpcWindow),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: serverPing, Timeout: pingAnswer}),
	}, options...)...)
}

// Doors are the public listeners: bound by OpenDoors, served by Serve. In
// between, their addresses are known and clients wait.
type Doors struct {
	config  *Config
	log     *slog.Logger
	proxies Proxies

	http, grpc         net.Listener // as served; grpc is nil when off
	httpAddr, grpcAddr net.Addr
	encrypted          bool

	httpServer *http.Server
	grpcServer atomic.Pointer[grpc.Server] // set by Serve
	grpcCalls  atomic.Int64                // gRPC calls that came in by HTTP and are running
	stopping   chan struct{}
	stopOnce   sync.Once
}

// OpenDoors binds the public listeners. With TLS nil they speak plaintext;
// plainToo, which only `dev` may set, adds plaintext to TLS on the same ports.
func OpenDoors(ctx context.Context, c *Config, encryption *tls.Config, plainToo bool, log *slog.Logger) (*Doors, error) {
	d := &Doors{config: c, log: log, encrypted: encryption != nil, stopping: make(chan struct{})}
	open := encryption == nil || plainToo
	var err error
	if d.proxies, err = ParseProxies(c.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted-proxies: %w", err)
	}
	if d.http, d.httpAddr, err = d.open(ctx, "http-listen", c.HTTPListen, encryption, plainToo, open); err != nil {
		return nil, err
	}
	if c.GRPCListen != Off {
		if d.grpc, d.grpcAddr, err = d.open(ctx, "grpc-listen", c.GRPCListen, encryption, plainToo, open); err != nil {
			d.http.Close()
			return nil, err
		}
	}
	d.httpServer = d.newHTTPServer()
	return d, nil
}

func (d *Doors) open(ctx context.Context, name, addr string, encryption *tls.Config, plainToo, open bool) (net.Listener, net.Addr, error) {
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	// Config judged the address as written; a name may have led elsewhere.
	if open && d.config.BehindProxy == "" && !isLoopback(inner.Addr().String()) {
		inner.Close()
		return nil, nil, fmt.Errorf("%s: %s is %s, which other machines reach, and plaintext is spoken there: use TLS, a loopback address or behind-proxy", name, addr, inner.Addr())
	}
	var l net.Listener = boundListener(inner, d.config.MaxConnections, d.config.WriteTimeout)
	switch {
	case encryption != nil && plainToo:
		l = listenBoth(l, encryption, sniffWait)
	case encryption != nil:
		l = tls.NewListener(l, encryption)
	}
	return l, inner.Addr(), nil
}

// HTTPAddr is the bound address of the HTTP listener, host:port.
func (d *Doors) HTTPAddr() string { return d.httpAddr.String() }

// GRPCAddr is the bound address of the gRPC listener, "" when it is off.
func (d *Doors) GRPCAddr() string {
	if d.grpcAddr == nil {
		return ""
	}
	return d.grpcAddr.String()
}

// Encrypted tells whether the listeners speak TLS.
func (d *Doors) Encrypted() bool { return d.encrypted }

// Stopping is closed when the doors begin to close: a handler that waits for
// something (a long poll) ends then, or it holds up the shutdown.
func (d *Doors) Stopping() <-chan struct{} { return d.stopping }

func (d *Doors) newHTTPServer() *http.Server {
	c := d.config
	s := &http.Server{
		ReadHeaderTimeout: c.HandshakeTimeout,
		ReadTimeout:       c.ReadTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    int(c.MaxHeaderBytes),
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: c.MaxStreams, SendPingTimeout: serverPing, PingTimeout: pingAnswer},
		// Its lines are about clients that break off or speak garbage.
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// Serve answers on both listeners until Shutdown, then returns nil. gRPC calls
// on the HTTP listener go to calls, everything else there to pages.
func (d *Doors) Serve(pages http.Handler, calls *grpc.Server) error {
	d.grpcServer.Store(calls)
	d.httpServer.Handler = d.split(pages, calls)
	failed := make(chan error, 2)
	serving := 1
	go func() { failed <- d.httpServer.Serve(d.http) }()
	if d.grpc != nil {
		serving++
		go func() { failed <- calls.Serve(d.grpc) }()
	}
	var first error
	for range serving {
		err := <-failed
		select {
		case <-d.stopping: // then a closed listener is no failure
		default:
			if err != nil && first == nil {
				first = err
			}
			d.Close()
		}
	}
	return first
}

// split tells gRPC by the content type, over HTTP/2 alone. Whoever serves the
// request finds the client's address, without a port, in its RemoteAddr.
func (d *Doors) split(pages http.Handler, calls *grpc.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := d.proxies.FromRequest(r); a.IsValid() {
			r.RemoteAddr = a.String()
		}
		if r.ProtoMajor == 2 && isGRPC(r.Header.Get("Content-Type")) {
			d.grpcCalls.Add(1)
			defer d.grpcCalls.Add(-1)
			serveWhole(calls, w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// isGRPC leaves out application/grpc-web, which is another protocol.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// Shutdown stops accepting and waits for calls in progress until ctx ends;
// then it breaks them off and returns ctx's error.
func (d *Doors) Shutdown(ctx context.Context) error {
	d.stopOnce.Do(func() { close(d.stopping) })
	err := d.httpServer.Shutdown(ctx)
	if err == nil {
		err = d.awaitGRPCOverHTTP(ctx)
	}
	if err != nil {
		d.Close()
		return fmt.Errorf("calls were broken off: %w", err)
	}
	calls := d.grpcServer.Load()
	if calls == nil {
		d.Close()
		return nil
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); calls.GracefulStop() }()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		d.Close()
		return fmt.Errorf("gRPC calls were broken off: %w", ctx.Err())
	}
}

// awaitGRPCOverHTTP waits for calls whose HTTP stream is gone already, so that
// net/http no longer counts them, while grpc does: its GracefulStop panics when
// it meets a call that came in by HTTP.
func (d *Doors) awaitGRPCOverHTTP(ctx context.Context) error {
	for d.grpcCalls.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// Close breaks everything off.
func (d *Doors) Close() {
	d.stopOnce.Do(func() { close(d.stopping) })
	d.httpServer.Close()
	d.http.Close()
	if calls := d.grpcServer.Load(); calls != nil {
		calls.Stop()
	}
	if d.grpc != nil {
		d.grpc.Close()
	}
}

// Component serves the doors as part of a group.
func (d *Doors) Component(pages http.Handler, calls *grpc.Server) Component {
	return Component{
		Name: "doors",
		Run:  func(context.Context) error { return d.Serve(pages, calls) },
		Stop: d.Shutdown,
	}
}
