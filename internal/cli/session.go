package cli

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/propusk/propusk/internal/iam"
)

// session is one run of a command: who asks, where, and how answers are printed.
type session struct {
	env *Environment

	endpoint  string
	caFile    string
	plaintext bool
	token     string
	keyFile   string
	format    string
	async     bool
	debug     bool

	bearer iam.Secret // the IAM token in use, once there is one
	conn   *grpc.ClientConn
}

const (
	defaultEndpoint = "127.0.0.1:4430" // where serve and dev listen

	envEndpoint = "YC_ENDPOINT"
	envToken    = "YC_IAM_TOKEN"                // [API fact: environment variables]
	envKeyFile  = "YC_SERVICE_ACCOUNT_KEY_FILE" // a path, or the key file's text
)

func (s *session) declare(f *flag.FlagSet) {
	s.declareServer(f)
	f.StringVar(&s.format, "format", "text", "how answers are printed: text, yaml or json")
}

// declareServer declares who asks, and where.
func (s *session) declareServer(f *flag.FlagSet) {
	f.StringVar(&s.endpoint, "endpoint", "", "host:port of the API's gRPC; otherwise $"+envEndpoint+", otherwise "+defaultEndpoint)
	f.StringVar(&s.caFile, "ca-file", "", "PEM file of the certificates to trust instead of the system's")
	f.BoolVar(&s.plaintext, "plaintext", false, "no TLS, on loopback only; so it is there unless --ca-file or --plaintext=false is given")
	f.StringVar(&s.token, "token", "", "IAM token; better in $"+envToken+", because others on the machine can see a command's flags")
	f.StringVar(&s.keyFile, "key-file", "", "authorized-key file to get an IAM token with; otherwise $"+envKeyFile)
	f.BoolVar(&s.debug, "debug", false, "tell of every call on standard error")
}

// check settles where to go, before anything is sent.
func (s *session) check(f *flag.FlagSet) error {
	if !slices.Contains([]string{"text", "yaml", "json"}, s.format) {
		return misuse("--format: %q is not text, yaml or json", s.format)
	}
	return s.checkServer(f)
}

func (s *session) checkServer(f *flag.FlagSet) error {
	if s.endpoint == "" {
		s.endpoint = s.env.variable(envEndpoint)
	}
	if s.endpoint == "" {
		s.endpoint = defaultEndpoint
	}
	host, _, err := net.SplitHostPort(s.endpoint)
	if err != nil {
		return misuse("--endpoint: %q is not host:port", s.endpoint)
	}
	switch {
	case !given(f)["plaintext"]:
		s.plaintext = s.caFile == "" && isLoopback(host)
	case s.plaintext && s.caFile != "":
		return misuse("--plaintext and --ca-file exclude each other")
	case s.plaintext && !isLoopback(host):
		return misuse("--plaintext: %s is not this machine, and a token does not travel without TLS", printable(host))
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// open makes the connection. It does not dial yet.
func (s *session) open() (err error) {
	secure := insecure.NewCredentials()
	if !s.plaintext {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if s.caFile != "" {
			if config.RootCAs, err = readCertificates(s.caFile); err != nil {
				return &Misuse{err}
			}
		}
		secure = credentials.NewTLS(config)
	}
	s.conn, err = grpc.NewClient("passthrough:///"+s.endpoint, grpc.WithTransportCredentials(secure), grpc.WithUserAgent("propusk-cli"))
	if err != nil {
		return misuse("--endpoint: %v", err)
	}
	return nil
}

func readCertificates(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca-file: %s holds no certificate", path)
	}
	return pool, nil
}

func (s *session) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}
