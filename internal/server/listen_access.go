package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// A certificate is judged when its connection begins, so connections of
// services do not last: an authority taken out of the file is out of force
// after certificateAge, give or take a tenth, and the calls in progress.
const (
	certificateAge = 15 * time.Minute
	lastCalls      = time.Minute
)

// AccessDoor is the listener for other services: bound by OpenAccessDoor,
// served by Serve. A nil AccessDoor is one that is off.
type AccessDoor struct {
	listener net.Listener
	addr     net.Addr
	options  []grpc.ServerOption
}

// AccessTLS is how the access listener encrypts.
type AccessTLS struct {
	Server  *tls.Config      // nil: plaintext, which is for loopback alone
	Clients *ClientAuthority // nil: certificates of clients are not asked for
	// PlainToo adds plaintext on the same port, which only `dev` may set.
	PlainToo bool
}

// OpenAccessDoor binds the listener; nil when it is off.
func OpenAccessDoor(ctx context.Context, c *Config, t AccessTLS) (*AccessDoor, error) {
	if c.AccessListen == Off {
		return nil, nil
	}
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", c.AccessListen)
	if err != nil {
		return nil, fmt.Errorf("access-listen: %w", err)
	}
	// Config judged the address as written; a name may have led elsewhere.
	if (t.Server == nil || t.PlainToo) && !isLoopback(inner.Addr().String()) {
		inner.Close()
		return nil, fmt.Errorf("access-listen: %s is %s, which other machines reach: use TLS or a loopback address", c.AccessListen, inner.Addr())
	}
	d := &AccessDoor{listener: boundListener(inner, c.MaxConnections, c.WriteTimeout), addr: inner.Addr()}
	switch {
	case t.PlainToo && t.Server != nil:
		d.listener = listenBoth(d.listener, t.Server, sniffWait)
	case t.Server != nil:
		// grpc makes the handshake itself, so that a call knows the certificate.
		d.options = append(d.options, grpc.Creds(credentials.NewTLS(serviceTLS(t.Server, t.Clients))),
			grpc.KeepaliveParams(keepalive.ServerParameters{
				Time: serverPing, Timeout: pingAnswer, MaxConnectionAge: certificateAge, MaxConnectionAgeGrace: lastCalls}))
	}
	return d, nil
}

// serviceTLS asks clients for certificates. A client without one may go on: it
// then needs a token. Sessions are not resumed, or a certificate would outlive
// the authority that is taken out of the file.
func serviceTLS(base *tls.Config, clients *ClientAuthority) *tls.Config {
	c := base.Clone()
	c.NextProtos, c.SessionTicketsDisabled = []string{"h2"}, true
	if clients == nil {
		return c
	}
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := c.Clone()
		now.GetConfigForClient = nil
		now.ClientAuth, now.ClientCAs = tls.VerifyClientCertIfGiven, clients.Pool()
		return now, nil
	}
	return c
}

// Addr is the bound address, host:port; "" when the door is off.
func (d *AccessDoor) Addr() string {
	if d == nil {
		return ""
	}
	return d.addr.String()
}

// Close gives the address back.
func (d *AccessDoor) Close() error {
	if d == nil {
		return nil
	}
	return d.listener.Close()
}

// Component serves the door as part of a group.
func (d *AccessDoor) Component(calls *grpc.Server) Component {
	return Component{
		Name: "access door",
		Run:  func(context.Context) error { return calls.Serve(d.listener) },
		Stop: func(ctx context.Context) error {
			stopped := make(chan struct{})
			go func() { defer close(stopped); calls.GracefulStop() }()
			select {
			case <-stopped:
				return nil
			case <-ctx.Done():
				calls.Stop()
				return fmt.Errorf("calls of other services were broken off: %w", ctx.Err())
			}
		},
	}
}
