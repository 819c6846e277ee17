// Package iamclient owns the way in which a program of ours that is no server
// asks IAM for credentials: an authorized-key file, an OAuth token, a token of
// another issuer or an IAM token of somebody who may act for a service account
// goes in, an IAM token or an ephemeral access key comes out. It speaks the wire
// alone, keeps nothing on disk, prints nothing, and lets no secret into an error.
package iamclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/propusk/propusk/internal/iam"
)

const (
	pingEvery  = 30 * time.Second // while a call is under way; servers end connections that ping more often
	pingAnswer = 10 * time.Second

	dialLimit      = 5 * time.Second
	longestRedial  = 5 * time.Second // gRPC's own is two minutes, for which IAM would seem to be away still
	firstRedial    = 100 * time.Millisecond
	defaultAttempt = 10 * time.Second
	userAgent      = "propusk-client"
)

// Options say where IAM is.
type Options struct {
	Endpoint  string // host:port of its gRPC
	CAFile    string // PEM of the certificates to trust; "": the system's
	Plaintext bool   // no TLS: on loopback alone
	// Now is this machine's clock; nil: time.Now.
	Now func() time.Time
	// Attempt bounds one try of a call; 0: 10 s. A call tries again while IAM
	// cannot be reached, until its context ends.
	Attempt time.Duration
}

// Client asks one IAM. It is safe for concurrent use.
type Client struct {
	conn     *grpc.ClientConn
	endpoint string
	now      func() time.Time
	attempt  time.Duration

	mu   sync.Mutex
	skew time.Duration // how far IAM's clock is ahead of this machine's; known from its answers
	own  string        // the audience that IAM wants, when it is not the public cloud's
}

// Dial makes a client. It connects when it is first asked, so an IAM that is
// away is no error here; options that cannot work are INVALID_ARGUMENT.
func Dial(o Options) (*Client, error) {
	host, port, err := net.SplitHostPort(o.Endpoint)
	if err != nil || host == "" || port == "" {
		return nil, iam.InvalidField("endpoint", "%q is not host:port", o.Endpoint)
	}
	secure := insecure.NewCredentials()
	switch {
	case o.Plaintext && o.CAFile != "":
		return nil, iam.InvalidField("ca_file", "there is no TLS with plaintext: choose one")
	case o.Plaintext && !isLoopback(host):
		return nil, iam.InvalidField("plaintext", "%s is not this machine, and a credential does not travel without TLS", host)
	case !o.Plaintext:
		config, err := tlsConfig(o.CAFile)
		if err != nil {
			return nil, err
		}
		secure = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient("passthrough:///"+o.Endpoint, // so that the name is resolved anew at each connection
		grpc.WithTransportCredentials(secure), grpc.WithUserAgent(userAgent),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingAnswer}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: dialLimit,
			Backoff: backoff.Config{BaseDelay: firstRedial, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestRedial}}),
	)
	if err != nil {
		return nil, iam.InvalidField("endpoint", "%v", err)
	}
	c := &Client{conn: conn, endpoint: o.Endpoint, now: o.Now, attempt: o.Attempt}
	if c.now == nil {
		c.now = time.Now
	}
	if c.attempt <= 0 {
		c.attempt = defaultAttempt
	}
	return c, nil
}

// Close ends the connection. Calls under way fail.
func (c *Client) Close() error { return c.conn.Close() }

func tlsConfig(caFile string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, iam.Wrap(err, iam.InvalidArgument, "ca_file: %v", reasonOf(err))
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, iam.InvalidField("ca_file", "%s holds no certificate in PEM", caFile)
	}
	return config, nil
}

// reasonOf is why a file could not be read, with its path.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return err.Error()
}

// OnThisMachine tells whether an endpoint, host:port, is on loopback, where a token
// may travel without TLS.
func OnThisMachine(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
