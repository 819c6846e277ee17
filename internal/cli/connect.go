package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// dial makes a connection, or finds the one that there is. It does not wait for it.
func (s *session) dial(address string) (*grpc.ClientConn, error) {
	if conn, ok := s.conns[address]; ok {
		return conn, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, misuse("%q is not host:port", address)
	}
	proxy, err := s.proxyFor(address)
	if err != nil {
		return nil, err
	}
	secure, config := insecure.NewCredentials(), (*tls.Config)(nil)
	if !s.plaintext || !isLoopback(host) {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
		if s.caFile != "" {
			if config.RootCAs, err = readCertificates(s.caFile); err != nil {
				return nil, &Misuse{err}
			}
		}
		secure = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(secure), grpc.WithUserAgent(userAgent), grpc.WithContextDialer(s.dialer(proxy, config)))
	if err != nil {
		return nil, misuse("--endpoint: %v", err)
	}
	if s.conns == nil {
		s.conns = map[string]*grpc.ClientConn{}
	}
	s.conns[address] = conn
	return conn, nil
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
	for _, c := range s.conns {
		_ = c.Close()
	}
}
