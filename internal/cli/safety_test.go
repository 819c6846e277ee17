package cli_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A token goes to another machine in TLS or not at all.
func TestNoTokenInPlaintext(t *testing.T) {
	f := newFake(t)
	for _, endpoint := range []string{"iam.example:443", "192.0.2.1:443", "0.0.0.0:443", "[::]:443", "127.0.0.1.example:443", "localhost.example:443"} {
		f.run(t, nil, "resource", "get", "a", "--plaintext", "--endpoint", endpoint).misused(t, "a token does not travel without TLS")
		f.run(t, []string{}, "resource", "get", "a", "--plaintext", "--endpoint", endpoint).misused(t, "a token does not travel without TLS")
	}
	// What listens there has heard nothing but the beginning of TLS.
	heard := make(chan []byte, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		text := make([]byte, 4096)
		n, _ := conn.Read(text)
		_ = conn.Close()
		heard <- text[:n]
	}()
	if r := f.run(t, nil, "resource", "get", "a", "--plaintext=false", "--endpoint", listener.Addr().String()); r.err == nil {
		t.Error("a server without TLS is good enough")
	}
	if text := <-heard; len(text) == 0 || text[0] != 22 || strings.Contains(string(text), goodToken) {
		t.Errorf("heard %q", text)
	}
}

// The certificate must be of the name that the endpoint has, and of an
// authority that is trusted.
func TestServerName(t *testing.T) {
	for what, c := range map[string]struct {
		address []net.IP
		trusted bool
		good    bool
	}{
		"its own": {[]net.IP{net.IPv4(127, 0, 0, 1)}, true, true},
		"another": {[]net.IP{net.IPv4(127, 0, 0, 2)}, true, false},
		"strange": {[]net.IP{net.IPv4(127, 0, 0, 1)}, false, false},
	} {
		certificate, file := newCertificate(t, c.address)
		f := newFake(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
		f.answer = func(string, proto.Message) (proto.Message, error) { return &propuskpb.Resource{Id: "db"}, nil }
		if !c.trusted {
			_, file = newCertificate(t, c.address)
		}
		r := f.run(t, nil, "resource", "get", "db", "--ca-file", file)
		if (r.err == nil) != c.good || !c.good && (len(f.asked) > 0 || !strings.HasPrefix(r.err.Error(), "UNAVAILABLE: ")) {
			t.Errorf("%s: %v, asked %v", what, r.err, f.asked)
		}
	}
}

func newCertificate(t *testing.T, addresses []net.IP) (tls.Certificate, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: addresses,
		IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}, file
}

// Whatever a server sends, no form of output hands a terminal a control
// character or turns its text around, and programs read what was sent.
func TestNothingMovesTheCursor(t *testing.T) {
	f := newFake(t)
	const odd = "a\x1b[2J\x07\u009b31m\u202eb\u2028c\x7f\ufeff\U000e0001\r\n\td\\u \"'é"
	db := &propuskpb.Resource{Id: "db", Name: odd, Description: odd, Labels: map[string]string{odd: odd}}
	f.answer = func(method string, _ proto.Message) (proto.Message, error) {
		if method == "List" {
			return &propuskpb.ListResourcesResponse{Resources: []*propuskpb.Resource{db}}, nil
		}
		return db, nil
	}
	for _, args := range [][]string{{"get", "db"}, {"list", "--folder-id", "f"}} {
		for format, decode := range map[string]func([]byte, any) error{"text": yaml.Unmarshal, "yaml": yaml.Unmarshal, "json": json.Unmarshal} {
			out := f.run(t, nil, append(append([]string{"resource"}, args...), "--format", format)...).good(t)
			if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%s as %s prints %q", args[0], format, out)
			}
			if args[0] == "list" {
				continue
			}
			var back struct {
				Name   string
				Labels map[string]string
			}
			if err := decode([]byte(out), &back); err != nil || back.Name != odd || back.Labels[odd] != odd {
				t.Errorf("%s is read back as %q, %v\n%s", format, back, err, out)
			}
		}
	}
}
