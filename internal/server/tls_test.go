package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}
func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// syncBuffer is a buffer for what several goroutines log.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// writePair writes a self-signed certificate for a name and its key.
func writePair(t *testing.T, folder, name string, until time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: until.Add(-1000 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return certFile, keyFile
}

// write replaces a file as certbot and Kubernetes do: a new one in its place.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// shownName is the name in the certificate that a real handshake shows.
func shownName(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != "h2" {
		t.Errorf("negotiated %q, want h2", state.NegotiatedProtocol)
	}
	return state.PeerCertificates[0].DNSNames[0]
}

func TestCertificateIsReadAgain(t *testing.T) {
	folder, now, out := t.TempDir(), newClock(), new(syncBuffer)
	certFile, keyFile := writePair(t, folder, "one.example", time.Now().Add(time.Hour))
	files, err := server.LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(out, nil)), now.Now)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		if got := shownName(t, files.TLSConfig()); got != want {
			t.Errorf("the handshake shows %s, want %s; log:\n%s", got, want, out)
		}
	}
	expect("one.example")

	writePair(t, folder, "two.example", time.Now().Add(time.Hour))
	expect("one.example") // not looked at yet
	now.Add(3 * time.Second)
	expect("two.example")

	// A certificate without its key: the old pair stays, said once.
	oldKey, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, folder, "three.example", time.Now().Add(time.Hour))
	newKey, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, oldKey)
	for range 3 {
		now.Add(3 * time.Second)
		expect("two.example")
	}
	if n := strings.Count(out.String(), "changed certificate refused"); n != 1 {
		t.Errorf("the bad pair is logged %d times, want once:\n%s", n, out)
	}
	write(t, keyFile, newKey)
	now.Add(3 * time.Second)
	expect("three.example")

	// A file gone for a moment.
	if err := os.Rename(certFile, certFile+".away"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		now.Add(3 * time.Second)
		expect("three.example")
	}
	if n := strings.Count(out.String(), "cannot be read again"); n != 1 {
		t.Errorf("the missing file is logged %d times, want once:\n%s", n, out)
	}
	writePair(t, folder, "four.example", time.Now().Add(time.Hour))
	now.Add(3 * time.Second)
	expect("four.example")
	if got := strings.Join(files.Names(), " "); got != "four.example 127.0.0.1" {
		t.Errorf("names = %s", got)
	}
}

func TestCertificateRefusedAtStart(t *testing.T) {
	good := t.TempDir()
	certFile, keyFile := writePair(t, good, "a.example", time.Now().Add(time.Hour))
	_, otherKey := writePair(t, t.TempDir(), "b.example", time.Now().Add(time.Hour))
	expired, expiredKey := writePair(t, t.TempDir(), "c.example", time.Now().Add(-time.Hour))
	for _, tt := range []struct{ name, cert, key, want string }{
		{"no file", filepath.Join(good, "nope"), keyFile, "no such file"},
		{"key of another", certFile, otherKey, "does not match"},
		{"key instead of certificate", keyFile, keyFile, "certificate " + keyFile},
		{"expired", expired, expiredKey, "expired on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := server.LoadCertificate(tt.cert, tt.key, slog.New(slog.DiscardHandler), time.Now)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), "a.example", time.Now().Add(time.Hour))
	files, err := server.LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		version uint16
		ok      bool
	}{{tls.VersionTLS10, false}, {tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true}} {
		a, b := net.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		go func() {
			_ = tls.Server(a, files.TLSConfig()).HandshakeContext(ctx)
			a.Close()
		}()
		client := tls.Client(b, &tls.Config{InsecureSkipVerify: true, MinVersion: tt.version, MaxVersion: tt.version})
		if err := client.HandshakeContext(ctx); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tls.VersionName(tt.version), err)
		}
		b.Close()
		cancel()
	}
}
