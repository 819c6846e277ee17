package pods

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Where a pod finds what it needs to ask its cluster [Kubernetes: accessing the
// API from a pod].
const (
	secretFolder = "/var/run/secrets/kubernetes.io/serviceaccount"
	envHost      = "KUBERNETES_SERVICE_HOST"
	envPort      = "KUBERNETES_SERVICE_PORT"
)

// ErrNoCluster is that this program runs in no pod.
var ErrNoCluster = errors.New("this program runs in no pod: $" + envHost + " and $" + envPort + " are not set")

// InCluster is how a pod asks its own cluster. variable is the environment.
func InCluster(variable func(string) string, node string) (Options, error) {
	host, port := variable(envHost), variable(envPort)
	if host == "" || port == "" {
		return Options{}, ErrNoCluster
	}
	return Options{Node: node, Server: "https://" + net.JoinHostPort(host, port),
		CAFile: filepath.Join(secretFolder, "ca.crt"), TokenFile: filepath.Join(secretFolder, "token")}, nil
}

// client sends requests with the token and the authorities of the moment.
type client struct {
	server, caFile, tokenFile string

	mu      sync.Mutex
	trusted []byte // the content of caFile that http was made with
	http    *http.Client
}

func newClient(o *Options) (*client, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no URL of a cluster's API", o.Server)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return nil, fmt.Errorf("%q: a token does not travel without TLS", o.Server)
	}
	return &client{server: u.Scheme + "://" + u.Host, caFile: o.CAFile, tokenFile: o.TokenFile}, nil
}

// Bounds of requests and answers.
const (
	mostToken  = 64 << 10
	mostCA     = 1 << 20
	mostObject = 8 << 20 // the API takes none of more than 1.5 MiB or so; a page has many
	dialLimit  = 10 * time.Second
	quiet      = 15 * time.Second // after which a connection is asked whether it is still one
)

// get asks; the caller closes the body of the answer, which is 200.
func (c *client) get(ctx context.Context, path, accept string, query url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "propusk-metadata")
	if c.tokenFile != "" {
		token, err := readToken(c.tokenFile)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	h, err := c.trusting()
	if err != nil {
		return nil, err
	}
	res, err := h.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address, which operators know
		}
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection is used again
	if res.StatusCode == http.StatusGone {
		return nil, errGone
	}
	return nil, fmt.Errorf("the API answers %d", res.StatusCode)
}

// readToken reads the token that the kubelet renews.
func readToken(path string) (iam.Secret, error) {
	text, err := readBounded(path, mostToken)
	if err != nil {
		return iam.Secret{}, err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || bytes.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return iam.Secret{}, fmt.Errorf("%s holds no token", path)
	}
	return iam.NewSecret(string(text)), nil
}

// trusting is a client that trusts what the file says now.
func (c *client) trusting() (*http.Client, error) {
	var text []byte
	if c.caFile != "" {
		var err error
		if text, err = readBounded(c.caFile, mostCA); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil && bytes.Equal(text, c.trusted) {
		return c.http, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.caFile != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate", c.caFile)
		}
	}
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
	c.trusted, c.http = text, &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, DialContext: (&net.Dialer{Timeout: dialLimit}).DialContext,
			TLSHandshakeTimeout: dialLimit, ResponseHeaderTimeout: dialLimit, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
			HTTP2: &http.HTTP2Config{SendPingTimeout: quiet, PingTimeout: dialLimit}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c.http, nil
}

func readBounded(path string, most int64) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is longer than %d bytes", path, most)
	}
	return text, err
}
