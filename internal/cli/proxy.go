package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

const dialLimit = 20 * time.Second // [client fact: the command line tool's]

// proxyFor is the proxy through which an address is reached, by $HTTPS_PROXY
// and $NO_PROXY; nil for none, as for every address of this machine. Its error
// never quotes the variable, which may hold a password.
func (s *session) proxyFor(address string) (*url.URL, error) {
	text := cmp.Or(s.env.variable("HTTPS_PROXY"), s.env.variable("https_proxy"))
	if text == "" {
		return nil, nil
	}
	// What is excluded is asked with a proxy that can be read, because one that
	// cannot would count as none.
	config := httpproxy.Config{HTTPSProxy: "http://proxy", NoProxy: cmp.Or(s.env.variable("NO_PROXY"), s.env.variable("no_proxy"))}
	if through, err := config.ProxyFunc()(&url.URL{Scheme: "https", Host: address}); err == nil && through == nil {
		return nil, nil
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	proxy, err := url.Parse(text)
	if err != nil || proxy.Hostname() == "" || proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, misuse("$HTTPS_PROXY is no address of the form http://host:port or https://user:password@host:port")
	}
	return proxy, nil
}

// dialer reaches a server, through a proxy where there is one (RFC 9110 section
// 9.3.6), to which one of https:// speaks TLS.
func (s *session) dialer(proxy *url.URL, trusted *tls.Config) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialLimit)
		defer cancel()
		direct := new(net.Dialer)
		if proxy == nil {
			return direct.DialContext(ctx, "tcp", address)
		}
		port := proxy.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
		}
		conn, err := direct.DialContext(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		if proxy.Scheme == "https" {
			config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: proxy.Hostname()}
			if trusted != nil {
				config.RootCAs = trusted.RootCAs
			}
			secure := tls.Client(conn, config)
			if err := secure.HandshakeContext(ctx); err != nil {
				_ = conn.Close()
				return nil, fmt.Errorf("proxy: %w", err)
			}
			conn = secure
		}
		through, err := tunnel(ctx, conn, proxy, address)
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("proxy: %w", err)
		}
		return through, nil
	}
}

// tunnel asks a proxy for a connection to an address.
func tunnel(ctx context.Context, conn net.Conn, proxy *url.URL, address string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Host: address}, Host: address, Header: http.Header{"User-Agent": {userAgent}}}
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)))
	}
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", printable(answer.Status))
	}
	return &buffered{conn, in}, nil
}

// buffered is a connection of which some bytes were read ahead.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.in.Read(p) }
