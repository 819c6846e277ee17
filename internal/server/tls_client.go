package server

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ClientAuthority is a PEM file with the authorities that clients' certificates
// come from, read again when it changes. A changed file that does not load
// leaves the old authorities in force and says so in the log.
type ClientAuthority struct {
	file string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	pool    *x509.CertPool
	tried   os.FileInfo // the file as it was when last read, well or not; nil while it is missing
	checked time.Time
}

// LoadClientAuthority reads the file and refuses one without a certificate.
func LoadClientAuthority(file string, log *slog.Logger, now func() time.Time) (*ClientAuthority, error) {
	a := &ClientAuthority{file: file, log: log, now: now, checked: now()}
	var err error
	if a.tried, err = os.Stat(file); err == nil {
		a.pool, err = a.read()
	}
	if err != nil {
		return nil, fmt.Errorf("access-client-ca: %w", err)
	}
	return a, nil
}

// Pool is the authorities in force. The file is looked at every two seconds at
// most.
func (a *ClientAuthority) Pool() *x509.CertPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); now.Sub(a.checked) >= certificateCheck {
		a.checked = now
		a.reload()
	}
	return a.pool
}

func (a *ClientAuthority) reload() {
	info, err := os.Stat(a.file)
	if err != nil {
		if a.tried != nil { // said once, until it is back
			a.log.Error("client authorities cannot be read again, the old ones stay", "error", err)
			a.tried = nil
		}
		return
	}
	if sameFile(a.tried, info) {
		return
	}
	a.tried = info
	pool, err := a.read()
	if err != nil {
		a.log.Error("changed client authorities refused, the old ones stay", "error", err)
		return
	}
	a.pool = pool
	a.log.Info("client authorities read again", "file", a.file)
}

func (a *ClientAuthority) read() (*x509.CertPool, error) {
	text, err := os.ReadFile(a.file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", a.file)
	}
	return pool, nil
}
