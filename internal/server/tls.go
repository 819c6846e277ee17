package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificateCheck is how often at most a handshake looks at the files.
const certificateCheck = 2 * time.Second

// CertificateFiles is a certificate and its key in two PEM files, read again
// when they change. A changed pair that does not load leaves the old one in
// force and says so once in the log.
type CertificateFiles struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]
	checked atomic.Int64 // when the files were last looked at, Unix nanoseconds
	reading sync.Mutex
	tried   [2]os.FileInfo // the files as they were when last read, well or not
}

// LoadCertificate reads a pair and refuses one that does not fit together or
// has expired.
func LoadCertificate(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*CertificateFiles, error) {
	f := &CertificateFiles{certFile: certFile, keyFile: keyFile, log: log, now: now}
	info, err := f.stat()
	if err != nil {
		return nil, err
	}
	cert, err := f.read()
	if err != nil {
		return nil, err
	}
	f.tried = info
	f.current.Store(cert)
	f.checked.Store(now().UnixNano())
	return f, nil
}

// Certificate is tls.Config's GetCertificate.
func (f *CertificateFiles) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := f.now().UnixNano()
	if now-f.checked.Load() >= int64(certificateCheck) && f.reading.TryLock() {
		f.reload()
		f.checked.Store(now)
		f.reading.Unlock()
	}
	return f.current.Load(), nil
}

// reload runs in the handshake that noticed; the others go on with what is there.
func (f *CertificateFiles) reload() {
	info, err := f.stat()
	if err != nil {
		if f.tried[0] != nil { // a file is missing: said once, until it is back
			f.log.Error("certificate cannot be read again, the old one stays", "error", err)
			f.tried = [2]os.FileInfo{}
		}
		return
	}
	if sameFile(f.tried[0], info[0]) && sameFile(f.tried[1], info[1]) {
		return
	}
	// The state before reading is kept: a file that changes meanwhile is read again.
	f.tried = info
	cert, err := f.read()
	if err != nil {
		f.log.Error("changed certificate refused, the old one stays", "error", err)
		return
	}
	f.current.Store(cert)
	f.log.Info("certificate read again", "file", f.certFile, "names", cert.Leaf.DNSNames, "expires", cert.Leaf.NotAfter)
}

func sameFile(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (f *CertificateFiles) stat() (info [2]os.FileInfo, err error) {
	var certErr, keyErr error
	info[0], certErr = os.Stat(f.certFile)
	info[1], keyErr = os.Stat(f.keyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return info, fmt.Errorf("certificate: %w", err)
	}
	return info, nil
}

func (f *CertificateFiles) read() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.certFile, f.keyFile, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", f.certFile, err)
		}
	}
	if now := f.now(); now.After(cert.Leaf.NotAfter) {
		return nil, fmt.Errorf("certificate %s expired on %s", f.certFile, cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	return &cert, nil
}

// Names are the host names and addresses of the certificate in force.
func (f *CertificateFiles) Names() []string {
	return certificateNames(f.current.Load().Leaf)
}

func certificateNames(leaf *x509.Certificate) []string {
	names := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// serverTLS is the one TLS configuration of the public listeners: 1.2 at
// least, HTTP/2 before HTTP/1.1 (gRPC clients demand that h2 is negotiated).
func serverTLS(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: certificate,
	}
}

// TLSConfig serves the files' certificate, whichever is in force.
func (f *CertificateFiles) TLSConfig() *tls.Config { return serverTLS(f.Certificate) }
