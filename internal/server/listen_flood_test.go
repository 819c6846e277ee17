package server_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"

	"github.com/propusk/propusk/internal/server"
)

// frames is a client that speaks HTTP/2 without manners.
type frames struct {
	*http2.Framer
	conn   net.Conn
	header bytes.Buffer
	hpack  *hpack.Encoder
	gone   chan struct{} // closed when the server has closed the connection
	next   uint32
}

func dialFrames(t *testing.T, addr string) *frames {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &frames{conn: conn, Framer: http2.NewFramer(conn, conn), gone: make(chan struct{}), next: 1}
	f.hpack = hpack.NewEncoder(&f.header)
	_, _ = io.WriteString(conn, http2.ClientPreface)
	_ = f.WriteSettings()
	go func() {
		defer close(f.gone)
		for {
			if _, err := f.ReadFrame(); err != nil {
				return
			}
		}
	}()
	return f
}

// open begins a call or a request and does not finish it.
func (f *frames) open(contentType string) uint32 {
	id := f.next
	f.next += 2
	f.header.Reset()
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"},
		{":path", "/grpc.health.v1.Health/Check"}, {"content-type", contentType}, {"te", "trailers"}} {
		_ = f.hpack.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.header.Bytes(), EndHeaders: true})
	return id
}

// counter says how many are inside at once.
type counter struct{ now, most, all atomic.Int64 }

func (c *counter) enter() (leave func()) {
	c.all.Add(1)
	n := c.now.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	return func() { c.now.Add(-1) }
}

// Requests that are cancelled as soon as they are made do not pile up handlers
// beyond the limit of a connection (CVE-2023-44487).
func TestRapidReset(t *testing.T) {
	const most = 10
	for _, door := range []struct{ name, contentType string }{
		{"grpc", "application/grpc"}, {"http", "application/grpc"}, {"http", "application/json"},
	} {
		t.Run(door.name+" "+door.contentType, func(t *testing.T) {
			var inside counter
			release := make(chan struct{})
			h := openHouse(t, true, false, func(http.ResponseWriter, *http.Request) { defer inside.enter()(); <-release },
				func(c *server.Config) { c.MaxStreams = most },
				grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
					defer inside.enter()()
					<-release
					return next(ctx, in)
				}))
			addr := h.HTTPAddr()
			if door.name == "grpc" {
				addr = h.GRPCAddr()
			}
			f := dialFrames(t, addr)
			_ = f.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) // a server that reads no more has understood
			for range 2000 {
				id := f.open(door.contentType)
				if f.WriteData(id, true, make([]byte, 5)) != nil || f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
					break
				}
			}
			time.Sleep(50 * time.Millisecond)
			if n := inside.most.Load(); n > most {
				t.Errorf("%d handlers at once, want at most %d", n, most)
			}
			close(release)
		})
	}
}

// A request whose body never comes is given up after ReadTimeout, on HTTP/2 as
// on HTTP/1.1; the connection's other requests go on.
func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	var inside counter
	h := openHouse(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		defer inside.enter()()
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("a body that was not sent has an end")
		}
	}, func(c *server.Config) { c.ReadTimeout = 200 * time.Millisecond })
	f := dialFrames(t, h.HTTPAddr())
	for range 50 {
		f.open("application/json")
	}
	for deadline := time.Now().Add(5 * time.Second); inside.all.Load() < 50 || inside.now.Load() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests still wait for their bodies", inside.now.Load(), inside.all.Load())
		}
	}
}

// Frames that only cost the server something end the connection.
func TestFloods(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true, false, nil, func(c *server.Config) { c.WriteTimeout = 500 * time.Millisecond })
	for name, flood := range map[string]func(f *frames, n int) error{
		"headers without end": func(f *frames, n int) error {
			if n == 0 {
				f.header.Reset()
				_ = f.hpack.WriteField(hpack.HeaderField{Name: ":method", Value: "POST"})
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.header.Bytes()})
			}
			f.header.Reset()
			_ = f.hpack.WriteField(hpack.HeaderField{Name: "x", Value: string(bytes.Repeat([]byte("v"), 8<<10)), Sensitive: true})
			return f.WriteContinuation(1, false, f.header.Bytes())
		},
		"a header that grows when it is unpacked": func(f *frames, n int) error {
			f.header.Reset()
			for range 1000 {
				_ = f.hpack.WriteField(hpack.HeaderField{Name: "x", Value: string(bytes.Repeat([]byte("v"), 3000))})
			}
			if n == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.header.Bytes()})
			}
			return f.WriteContinuation(1, false, f.header.Bytes())
		},
	} {
		for _, addr := range []string{h.GRPCAddr(), h.HTTPAddr()} {
			f := dialFrames(t, addr)
			_ = f.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			sent := 0
			for ; sent < 20_000; sent++ {
				if flood(f, sent) != nil {
					break
				}
			}
			select {
			case <-f.gone:
			case <-time.After(10 * time.Second):
				t.Errorf("%s at %s: still connected after %d frames", name, addr, sent)
			}
		}
	}
}
