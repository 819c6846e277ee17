package server_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/propusk/propusk/internal/server"
)

func TestClientAddress(t *testing.T) {
	for _, tt := range []struct {
		name, trusted, direct string
		forwarded             []string
		want                  string
	}{
		{"no proxies", "", "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"from a stranger", "10.0.0.0/8", "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"from our proxy", "10.0.0.0/8", "10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"our proxy without a header", "10.0.0.0/8", "10.0.0.1:5", nil, "10.0.0.1"},
		{"the client lies", "10.0.0.0/8", "10.0.0.1:5", []string{"127.0.0.1, 10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.0/8", "10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"two headers", "10.0.0.0/8", "10.0.0.1:5", []string{"203.0.113.9", "198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		{"all ours", "10.0.0.0/8", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage", "10.0.0.0/8", "10.0.0.1:5", []string{"203.0.113.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"empty", "10.0.0.0/8", "10.0.0.1:5", []string{""}, "10.0.0.1"},
		{"with ports", "10.0.0.1", "10.0.0.1:5", []string{"198.51.100.1:1234"}, "198.51.100.1"},
		{"IPv6", "2001:db8::/32,::1", "[::1]:5", []string{"[2001:db9::1]:80, 2001:db8::2, [2001:db8::3]"}, "2001:db9::1"},
		{"IPv4 in IPv6", "10.0.0.0/8", "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"zone", "fe80::/10", "[fe80::1%eth0]:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"unix socket", "10.0.0.0/8", "@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var texts []string
			if tt.trusted != "" {
				texts = strings.Split(tt.trusted, ",")
			}
			p, err := server.ParseProxies(texts)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{RemoteAddr: tt.direct, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
			if got := p.FromRequest(r).String(); got != tt.want {
				t.Errorf("over HTTP: %s, want %s", got, tt.want)
			}
			ctx := peer.NewContext(context.Background(), &peer.Peer{Addr: textAddr(tt.direct)})
			ctx = metadata.NewIncomingContext(ctx, metadata.MD{"x-forwarded-for": tt.forwarded})
			if got := p.FromContext(ctx).String(); got != tt.want {
				t.Errorf("over gRPC: %s, want %s", got, tt.want)
			}
		})
	}
	if got := (server.Proxies{}).FromContext(context.Background()); got.IsValid() {
		t.Errorf("without a peer: %s", got)
	}
}

type textAddr string

func (a textAddr) Network() string { return "tcp" }
func (a textAddr) String() string  { return string(a) }

var _ net.Addr = textAddr("")

func FuzzForwardedFor(f *testing.F) {
	f.Add("10.0.0.1:5", "198.51.100.1, 10.0.0.2")
	f.Add("[::1]:5", ",,[,]:,%")
	f.Add("10.0.0.1:1", "10.0.0.1"+strings.Repeat(",10.0.0.1", 10))
	p, err := server.ParseProxies([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, direct, header string) {
		got := p.FromRequest(&http.Request{RemoteAddr: direct, Header: http.Header{"X-Forwarded-For": {header}}})
		bare := p.FromRequest(&http.Request{RemoteAddr: direct})
		if !p.Trusts(bare) && got != bare {
			t.Errorf("a stranger at %s passes for %s", bare, got)
		}
		if got.IsValid() && (got != got.Unmap() || got.Zone() != "") {
			t.Errorf("%s is not in its plain form", got)
		}
		// What a client writes in front changes nothing once a client is found.
		if got.IsValid() && !p.Trusts(got) {
			forged := p.FromRequest(&http.Request{RemoteAddr: direct, Header: http.Header{"X-Forwarded-For": {"127.0.0.1, " + header}}})
			if forged != got {
				t.Errorf("a forged prefix turns %s into %s", got, forged)
			}
		}
	})
}

func BenchmarkClientAddress(b *testing.B) {
	p, err := server.ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		b.Fatal(err)
	}
	r := &http.Request{RemoteAddr: "10.0.0.1:4321", Header: http.Header{"X-Forwarded-For": {"198.51.100.1"}}}
	want := netip.MustParseAddr("198.51.100.1")
	b.ReportAllocs()
	for b.Loop() {
		if p.FromRequest(r) != want {
			b.Fatal("wrong")
		}
	}
}

// A proxy's word is taken on every door, and a stranger's on none.
func TestProxiesOnEveryDoor(t *testing.T) {
	for _, tt := range []struct{ name, trusted, want string }{
		{"behind a proxy", "127.0.0.0/8", "198.51.100.1"},
		{"from a stranger", "10.0.0.0/8", "127.0.0.1"},
		{"without proxies", "", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen string
			h := openHouse(t, true, false, func(w http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr }, func(c *server.Config) {
				if tt.trusted != "" {
					c.TrustedProxies = []string{tt.trusted}
				}
			}, grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				from, _ := peer.FromContext(ctx)
				seen = from.Addr.String()
				return next(ctx, in)
			}))
			check := func(door string) {
				t.Helper()
				if host, _, err := net.SplitHostPort(seen); err == nil {
					seen = host
				}
				if seen != tt.want {
					t.Errorf("%s: the client is %s, want %s", door, seen, tt.want)
				}
			}
			const header = "127.0.0.1, 198.51.100.1"
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.HTTPAddr(), nil)
			r.Header.Set("X-Forwarded-For", header)
			if _, err := http.DefaultTransport.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			check("HTTP")
			for _, addr := range []string{h.GRPCAddr(), h.HTTPAddr()} {
				ctx := metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", header)
				if _, err := dialGRPC(t, addr, nil).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
					t.Fatal(err)
				}
				check("gRPC at " + addr)
			}
		})
	}
}
