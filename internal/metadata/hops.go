package metadata

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

type connKey struct{}

// withConn lets the handler of a connection's requests find the connection, and
// whose it is.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(context.WithValue(ctx, connKey{}, c), ownerKey{}, new(owner))
}

// limitHops keeps what is written to the request's connection from now on within
// that many hops, to its end: a packet that is lost is sent again later, so there
// is no moment at which the limit could be lifted.
func limitHops(ctx context.Context, hops int) error {
	c, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return errors.New("hop limit: the connection is not known")
	}
	if b, ok := c.(*boundedConn); ok {
		c = b.Conn
	}
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return fmt.Errorf("hop limit: %w", err)
	}
	if peer.Addr().Unmap().Is4() {
		err = ipv4.NewConn(c).SetTTL(hops)
	} else {
		err = ipv6.NewConn(c).SetHopLimit(hops)
	}
	if err != nil {
		return fmt.Errorf("hop limit: %w", err)
	}
	return nil
}
