package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/server"
)

func TestMessageAndHeaderLimits(t *testing.T) {
	h := openHouse(t, true, false, nil, nil)
	for _, addr := range []string{h.GRPCAddr(), h.HTTPAddr()} {
		client := dialGRPC(t, addr, nil)
		_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: strings.Repeat("x", 4<<20)})
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s, message over 4 MiB: %v", addr, err)
		}
		_, err = client.Check(metadata.AppendToOutgoingContext(t.Context(), "x", strings.Repeat("x", 128<<10)), &healthpb.HealthCheckRequest{})
		if err == nil {
			t.Errorf("%s: 128 KiB of headers are taken", addr)
		}
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("%s: not usable afterwards: %v", addr, err)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.HTTPAddr(), nil)
	r.Header.Set("X", strings.Repeat("x", 128<<10))
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("128 KiB of headers over HTTP/1.1: %v, %v", response, err)
	}
}

// ReadTimeout is about the request: a long poll may take longer to answer.
func TestLongPollOutlivesReadTimeout(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(500 * time.Millisecond):
			fmt.Fprint(w, "waited")
		}
	}, func(c *server.Config) { c.ReadTimeout, c.HandshakeTimeout = 100*time.Millisecond, 100*time.Millisecond })
	for _, protocol := range []string{"HTTP/1.1", "h2"} {
		if got := h.get(t, protocol, false); got != "waited" {
			t.Errorf("%s: %q", protocol, got)
		}
	}
}

func TestSilentAndSlowClients(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	for _, encrypted := range []bool{false, true} {
		h := openHouse(t, !encrypted, encrypted, nil, func(c *server.Config) {
			c.HandshakeTimeout, c.ReadTimeout = limit, 2*limit
		})
		for name, first := range map[string]string{"silent": "", "half a line": "GET / HT", "half a preface": "PRI * HTT", "endless body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1"} {
			for _, addr := range []string{h.HTTPAddr(), h.GRPCAddr()} {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = conn.Write([]byte(first))
				_ = conn.SetReadDeadline(time.Now().Add(10 * limit))
				if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
					t.Errorf("TLS %v, %s at %s: still connected after %s", encrypted, name, addr, 10*limit)
				}
				conn.Close()
			}
		}
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// A client that takes no answer is cut off.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	h := openHouse(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		var err error
		for line := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(line)
		}
		ended <- err
	}, func(c *server.Config) { c.WriteTimeout = 300 * time.Millisecond })
	conn, err := net.Dial("tcp", h.HTTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the handler still writes")
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, false, nil, func(c *server.Config) { c.MaxConnections = 2 })
	ask := func(conn net.Conn, wait time.Duration) error {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		_, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err
	}
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", h.HTTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	for _, conn := range conns[:2] {
		if err := ask(conn, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(conns[2], 200*time.Millisecond); !isTimeout(err) {
		t.Errorf("a connection beyond the limit: %v", err)
	}
	conns[0].Close()
	_ = conns[2].SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := http.ReadResponse(bufio.NewReader(conns[2]), nil); err != nil {
		t.Errorf("after another has left: %v", err)
	}
}
