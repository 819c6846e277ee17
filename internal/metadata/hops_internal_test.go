package metadata

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// keeping is a listener whose last connection the test can look at.
type keeping struct {
	net.Listener
	last chan net.Conn
}

func (k *keeping) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		k.last <- c
	}
	return c, err
}

// The answer that holds a session token, and all after it on that connection, go
// no further than the limit; a connection that asked for none is as any.
func TestSessionTokensStayNear(t *testing.T) {
	for _, c := range []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "127.0.0.1"}, // the last: IPv4 through a socket of IPv6
	} {
		d, err := New(Config{HopLimit: 1})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Listen(t.Context(), ServerConfig{Address: c.listen}, d)
		if err != nil {
			t.Fatal(err)
		}
		k := &keeping{s.listeners[0].(*boundedListener).Listener, make(chan net.Conn, 1)}
		s.listeners[0].(*boundedListener).Listener = k
		go func() { _ = s.Serve() }()

		client, err := net.DialTimeout("tcp", net.JoinHostPort(c.dial, port(s.Addr())), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conn, answers := <-k.last, bufio.NewReader(client)
		ask := func(request string, code int) (hops int) {
			t.Helper()
			_, _ = io.WriteString(client, request+" HTTP/1.1\r\nHost: localhost\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n")
			r, err := http.ReadResponse(answers, nil)
			if err != nil || r.StatusCode != code {
				t.Fatalf("%s: %v %v", request, r, err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			if netip.MustParseAddr(c.dial).Is4() {
				hops, err = ipv4.NewConn(conn).TTL()
			} else {
				hops, err = ipv6.NewConn(conn).HopLimit()
			}
			if err != nil {
				t.Fatal(err)
			}
			return hops
		}
		if hops := ask("GET /latest/meta-data/", 401); hops <= 1 {
			t.Errorf("%s: %d hops before a session", c.listen, hops)
		}
		if hops := ask("PUT /latest/api/token", 200); hops != 1 {
			t.Errorf("%s: %d hops for a session token", c.listen, hops)
		}
		if hops := ask("GET /latest/meta-data/", 401); hops != 1 {
			t.Errorf("%s: %d hops after it", c.listen, hops)
		}
		client.Close()
		s.Close()
	}
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}
