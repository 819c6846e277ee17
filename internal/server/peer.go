package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"
)

// Proxies are the addresses whose word about a client's address is taken.
// The zero value trusts nobody.
type Proxies struct{ ranges []netip.Prefix }

// ParseProxies reads addresses and CIDR ranges.
func ParseProxies(texts []string) (Proxies, error) {
	var p Proxies
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			p.ranges = append(p.ranges, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return Proxies{}, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		if prefix != prefix.Masked() {
			return Proxies{}, fmt.Errorf("%q has bits beyond its length; %s is meant?", text, prefix.Masked())
		}
		p.ranges = append(p.ranges, prefix)
	}
	return p, nil
}

// Trusts tells whether an address is a proxy of ours.
func (p Proxies) Trusts(addr netip.Addr) bool {
	for _, r := range p.ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

// FromRequest is the address of the client behind an HTTP request. It is the
// zero Addr when the connection has none (a unix socket).
func (p Proxies) FromRequest(r *http.Request) netip.Addr {
	return p.client(parsePeer(r.RemoteAddr), r.Header["X-Forwarded-For"])
}

// FromContext is the address of the client behind a gRPC call.
func (p Proxies) FromContext(ctx context.Context) netip.Addr {
	from, ok := peer.FromContext(ctx)
	if !ok || from.Addr == nil {
		return netip.Addr{}
	}
	addr := parsePeer(from.Addr.String())
	if len(p.ranges) == 0 {
		return addr
	}
	return p.client(addr, metadata.ValueFromIncomingContext(ctx, "x-forwarded-for"))
}

// tap makes a gRPC call come from the client behind the proxy, for everything
// that asks for its peer.
func (p Proxies) tap(ctx context.Context, _ *tap.Info) (context.Context, error) {
	from, ok := peer.FromContext(ctx)
	client := p.FromContext(ctx)
	if !ok || !client.IsValid() {
		return ctx, nil
	}
	behind := *from
	behind.Addr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0))
	return peer.NewContext(ctx, &behind), nil
}

// client walks the header from its end, where our own proxy wrote, and stops
// at the first address that is not a proxy of ours: whatever stands before it
// is that client's own word. An entry that is no address stops the walk too.
func (p Proxies) client(direct netip.Addr, forwarded []string) netip.Addr {
	if len(p.ranges) == 0 || len(forwarded) == 0 {
		return direct
	}
	addr := direct
	for i := len(forwarded) - 1; i >= 0; i-- {
		for rest := forwarded[i]; ; {
			if !p.Trusts(addr) {
				return addr
			}
			cut := strings.LastIndexByte(rest, ',')
			next := parsePeer(strings.TrimSpace(rest[cut+1:]))
			if !next.IsValid() {
				return addr
			}
			addr = next
			if cut < 0 {
				break
			}
			rest = rest[:cut]
		}
	}
	return addr
}

// parsePeer reads an address with or without a port, as Go and as proxies
// write it. The zone goes: it means something on this machine only.
func parsePeer(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}
		}
		text = inner
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
