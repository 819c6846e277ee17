package metadata

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestBounds(t *testing.T) {
	one, other, here, far := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")
	b := &bounds{most: 4, each: 2, of: map[netip.Addr]int{}}
	for i, c := range []struct {
		client netip.Addr
		want   string
	}{{one, ""}, {one, ""}, {one, "too_many"}, {other, ""}, {other, ""}, {far, "too_many"}} {
		if got := b.enter(c.client, here); got != c.want {
			t.Errorf("connection %d: %q, want %q", i+1, got, c.want)
		}
	}
	b.leave(one)
	b.leave(one)
	if len(b.of) != 1 || b.enter(far, here) != "" {
		t.Error("places that became free are not given again")
	}
	local := &bounds{most: 4, each: 4, local: true, of: map[netip.Addr]int{}}
	for client, want := range map[netip.Addr]string{far: "not_local", {}: "not_local", here: "", netip.MustParseAddr("169.254.169.254"): ""} {
		if got := local.enter(client, netip.MustParseAddr("169.254.169.254")); got != want {
			t.Errorf("%s: %q, want %q", client, got, want)
		}
	}
	if local.enter(netip.Addr{}, netip.Addr{}) != "not_local" {
		t.Error("nobody is of this machine")
	}
}

func TestSlowClientsAreCut(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), ServerConfig{Address: "127.0.0.1:0"}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, limit := range map[string]time.Duration{"header": s.http.ReadHeaderTimeout, "request": s.http.ReadTimeout, "answer": s.http.WriteTimeout, "idle": s.http.IdleTimeout} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("%s: %s", name, limit)
		}
	}
	if s.http.Protocols.HTTP2() || s.http.Protocols.UnencryptedHTTP2() {
		t.Error("HTTP/2 is spoken")
	}
}

// A stream of refusals leaves a few lines, and then a number.
func TestQuietLog(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d, err := New(Config{Log: slog.New(slog.NewTextHandler(&out, nil)), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(host string) {
		r := httptest.NewRequest(http.MethodGet, "/computeMetadata/v1/t1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", nil)
		r.Host, r.RemoteAddr = host, "10.0.0.5:1"
		d.ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 1000 {
		refuse("evil.example\nlevel=ERROR")
	}
	if n := strings.Count(out.String(), "\n"); n != quietLines {
		t.Errorf("%d lines, want %d", n, quietLines)
	}
	if strings.Contains(out.String(), "BBBBBBBB") {
		t.Error("what looks like a token is in the log")
	}
	refuse("localhost") // another reason has lines of its own
	now = now.Add(quietEvery)
	refuse("evil.example")
	if !strings.Contains(out.String(), "reason=no_flavour") || !strings.Contains(out.String(), "not_logged_before=995") {
		t.Error(out.String())
	}
}

// failing is a listener of a program that has no file descriptors left.
type failing struct{ net.Listener }

func (failing) Accept() (net.Conn, error) { return nil, syscall.EMFILE }

func TestWantOfDescriptorsIsTold(t *testing.T) {
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	d, err := New(Config{Name: "a", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), ServerConfig{Address: "127.0.0.1:0", Metrics: NewMetrics(reg)}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := s.listeners[0].(*boundedListener)
	l.Listener = failing{l.Listener}
	for range 100 {
		if _, err := l.Accept(); err == nil {
			t.Fatal("a connection of nobody")
		}
	}
	if n := strings.Count(log.String(), "too many open files"); n != quietLines {
		t.Errorf("%d lines: %s", n, log.String())
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 100 {
		t.Errorf("%v %v", families, err)
	}
}
