package metadata_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/metadata"
)

// serve runs a door on loopback and returns its address.
func serve(t testing.TB, d *metadata.Door, c metadata.ServerConfig) (*metadata.Server, string) {
	t.Helper()
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	s, err := metadata.Listen(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, s.Addr()
}

// speak sends bytes and returns all that comes back.
func speak(t testing.TB, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// What SSRF, smuggling and tunnels look like on the wire.
func TestWire(t *testing.T) {
	d := door(t, metadata.Config{Accounts: metadata.Everyone(good()), Instance: machine(), HopLimit: 1})
	_, address := serve(t, d, metadata.ServerConfig{})
	const get = "GET " + tokenPath + " HTTP/1.1\r\n"
	for name, c := range map[string]struct{ text, status string }{
		"as it should be":       {get + "Host: " + address + "\r\nMetadata-Flavor: Google\r\n\r\n", "200"},
		"header names":          {get + "hOsT: " + address + "\r\nmEtAdAtA-fLaVoR: Google\r\n\r\n", "200"},
		"HTTP/1.0 with a host":  {"GET " + tokenPath + " HTTP/1.0\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n", "200"},
		"HTTP/1.0 without":      {"GET " + tokenPath + " HTTP/1.0\r\nMetadata-Flavor: Google\r\n\r\n", "403"},
		"no host":               {get + "Metadata-Flavor: Google\r\n\r\n", "400"},
		"two hosts":             {get + "Host: localhost\r\nHost: evil.example\r\nMetadata-Flavor: Google\r\n\r\n", "400"},
		"absolute form":         {"GET http://localhost" + tokenPath + " HTTP/1.1\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n", "400"},
		"absolute, other host":  {"GET http://localhost" + tokenPath + " HTTP/1.1\r\nHost: evil.example\r\nMetadata-Flavor: Google\r\n\r\n", "400"},
		"CONNECT":               {"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
		"asterisk":              {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"},
		"after what is refused": {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" + get + "Host: localhost\r\nMetadata-Flavor: Google\r\n\r\n", "405"},
		"gopher, no header":     {"GET " + tokenPath + "\r\n\r\n", "400"},
		"gopher, another order": {"_\r\n" + get + "Host: localhost\r\nMetadata-Flavor: Google\r\n\r\n", "400"},
		"length and chunks":     {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get + "Host: localhost\r\nMetadata-Flavor: Google\r\n\r\n", "400"},
		"two lengths":           {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400"},
		"a body":                {get + "Host: localhost\r\nMetadata-Flavor: Google\r\nContent-Length: 1\r\n\r\nx", "400"},
		"space before colon":    {get + "Host: localhost\r\nMetadata-Flavor : Google\r\n\r\n", "400"},
		"h2c, prior knowledge":  {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "4"},
		"h2c, upgrade":          {get + "Host: localhost\r\nMetadata-Flavor: Google\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "400"},
		"long header":           {get + "Host: localhost\r\nMetadata-Flavor: Google\r\nX: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", "431"},
		"TLS":                   {"\x16\x03\x01\x00\x05hello", "400"},
		"a rebound page":        {get + "Host: rebind.example\r\nMetadata-Flavor: Google\r\n\r\n", "403"},
		"a form's PUT":          {"PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b", "400"},
	} {
		answer := speak(t, address, c.text)
		if c.status == "200" != strings.Contains(answer, "t1.a.b") {
			t.Errorf("%s: a token that should not be there, or none: %q", name, answer)
		}
		if !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) && !strings.HasPrefix(answer, "HTTP/1.0 "+c.status) {
			t.Errorf("%s: %.200q, want %s", name, answer, c.status)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	_, address := serve(t, full(t), metadata.ServerConfig{MaxConnections: 2})
	open := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	served := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n"); err != nil {
			return false
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err == nil && r.StatusCode == 200
	}
	first, second := open(), open()
	if !served(first) || !served(second) {
		t.Fatal("the first two are not served")
	}
	if served(open()) {
		t.Fatal("a third connection is served")
	}
	first.Close()
	for deadline := time.Now().Add(10 * time.Second); !served(open()); {
		if time.Now().After(deadline) {
			t.Fatal("a place that became free is not given again")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A request that waits when the program ends is answered, not broken off.
func TestShutdownAnswersWaiters(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, address := serve(t, door(t, metadata.Config{Instance: machine(), Metrics: metadata.NewMetrics(reg)}), metadata.ServerConfig{})
	type result struct {
		code int
		err  error
	}
	results := make(chan result, 8)
	for range cap(results) {
		go func() {
			r, _ := http.NewRequest("GET", "http://"+address+"/computeMetadata/v1/instance/id?wait_for_change=true&timeout_sec=100", nil)
			r.Header.Set("Metadata-Flavor", "Google")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				results <- result{err: err}
				return
			}
			response.Body.Close()
			results <- result{code: response.StatusCode}
		}()
	}
	for end := time.Now().Add(10 * time.Second); gauge(t, reg, "propusk_metadata_waiters") != float64(cap(results)); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("they do not wait")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for range cap(results) {
		if r := <-results; r.code != 200 {
			t.Errorf("%d %v", r.code, r.err)
		}
	}
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

func TestListenSaysWhatToDo(t *testing.T) {
	_, address := serve(t, full(t), metadata.ServerConfig{})
	for name, c := range map[string]struct {
		config metadata.ServerConfig
		want   string
	}{
		"not here":     {metadata.ServerConfig{Address: "192.0.2.1:0"}, "ip addr add 192.0.2.1/32 dev lo"},
		"not here, v6": {metadata.ServerConfig{Address: "[2001:db8::1]:0"}, "ip addr add 2001:db8::1/128 dev lo"},
		"taken":        {metadata.ServerConfig{Address: address}, "another program"},
		"unnamed":      {metadata.ServerConfig{Address: "127.0.0.1:0", Interfaces: []string{"lo", ""}}, "an interface without a name"},
		"no interface": {metadata.ServerConfig{Address: "127.0.0.1:0", Interfaces: []string{"none0"}}, "no network interface none0"},
	} {
		_, err := metadata.Listen(t.Context(), c.config, full(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
