package cli_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// httpProxy is a proxy that leads to one place, whatever it is asked for.
type httpProxy struct {
	mu      sync.Mutex
	asked   []string // "host:port credentials"
	refuses bool
}

func (p *httpProxy) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.asked, "; ")
}

// serve starts it, behind TLS when there is a certificate.
func (p *httpProxy) serve(t *testing.T, to string, certificate *tls.Certificate) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.tunnel(conn, to)
		}
	}()
	return port
}

func (p *httpProxy) tunnel(conn net.Conn, to string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	if p.refuses {
		_, _ = io.WriteString(conn, "HTTP/1.1 407 Who\x1b[2J are you\r\n\r\n")
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Go\r\n\r\n")
	go func() { _, _ = io.Copy(server, in) }()
	_, _ = io.Copy(conn, server)
}

// TestProxy: a server elsewhere is reached through the proxy of the
// environment, one on this machine never is.
func TestProxy(t *testing.T) {
	certificate, file := newCertificate(t, []net.IP{net.IPv4(203, 0, 113, 7), net.IPv4(127, 0, 0, 1)})
	f := newFake(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	f.answer = func(string, proto.Message) (proto.Message, error) { return &propuskpb.RevokeResponse{}, nil }
	const far, basic = "203.0.113.7:443", "CONNECT 203.0.113.7:443 Basic bWU6c2VjcmV0LXdvcmQ="
	for what, c := range map[string]struct {
		url, noProxy, endpoint string // url: PORT is the proxy's
		secure, refuses        bool
		code                   int
		asked, errs            string
	}{
		"plain":          {noProxy: "10.0.0.0/8,example.org", url: "http://me:secret-word@127.0.0.1:PORT", endpoint: far, asked: basic},
		"by TLS":         {url: "https://me:secret-word@127.0.0.1:PORT", endpoint: far, secure: true, asked: basic},
		"without scheme": {url: "127.0.0.1:PORT", endpoint: far, asked: "CONNECT 203.0.113.7:443 "},
		"this machine":   {url: "http://127.0.0.1:PORT", endpoint: f.endpoint},
		"broken, unused": {url: "::secret-word::", endpoint: f.endpoint},
		"broken":         {url: "http://me:secret-word@:x", endpoint: far, code: 2, errs: "$HTTPS_PROXY is no address"},
		"another scheme": {url: "socks5://me:secret-word@127.0.0.1:PORT", endpoint: far, code: 2, errs: "$HTTPS_PROXY is no address"},
		"no TLS there":   {url: "https://127.0.0.1:PORT", endpoint: far, code: 1, errs: "proxy: "},
		"refused":        {url: "http://me:secret-word@127.0.0.1:PORT", endpoint: far, refuses: true, code: 1, asked: basic, errs: "proxy: it answers 407 Who"},
	} {
		p := &httpProxy{refuses: c.refuses}
		own := &certificate
		if !c.secure {
			own = nil
		}
		port := p.serve(t, f.endpoint, own)
		environ := []string{"YC_IAM_TOKEN=" + goodToken, "HTTPS_PROXY=" + strings.ReplaceAll(c.url, "PORT", port), "NO_PROXY=" + c.noProxy}
		code, _, errs := f.tree(t, config(t, ""), environ, "iam revoke --subject-id x --retry 0 --ca-file "+file+" --endpoint "+c.endpoint)
		if code != c.code || p.seen() != c.asked || !strings.Contains(errs, c.errs) || strings.ContainsRune(errs, 0x1b) || strings.Contains(errs, "secret-word") {
			t.Errorf("%s: %d, asked %q, %s", what, code, p.seen(), errs)
		}
	}
}
