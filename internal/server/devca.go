package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Files of dev's certificate authority in the data folder.
const (
	devCAFile    = "ca.pem"
	devCAKeyFile = "ca-key.pem"
)

const (
	devCALife    = 10 * 365 * 24 * time.Hour
	devLeafLife  = 90 * 24 * time.Hour // well below the 825 days that some clients allow at most
	devLeafRenew = 30 * 24 * time.Hour // what must be left of a leaf's life
	devBackdate  = time.Hour           // for clients whose clock is behind, in virtual machines above all
)

// devNames are always in the leaf. Only Go takes *.localhost: OpenSSL and Node
// refuse a wildcard right below the top, so the names that a client is likely
// to use are there by themselves.
var devNames = []string{"localhost", "127.0.0.1", "::1", "*.localhost",
	"api.localhost", "*.api.localhost", "iam.localhost", "sts.localhost"}

// DevCA is the private certificate authority of `dev`. It signs the server's
// own certificate and nothing else; the certificate lives in memory and is
// made anew well before it expires.
type DevCA struct {
	cert  *x509.Certificate
	key   crypto.Signer
	file  string
	names []string
	now   func() time.Time
	leaf  atomic.Pointer[tls.Certificate]
}

// OpenDevCA takes the authority from the data folder, or makes it there on
// first start: ca.pem for clients, its key (mode 0600) beside it. extra names
// and addresses go into the server's certificate beside localhost.
func OpenDevCA(data string, extra []string, now func() time.Time) (*DevCA, error) {
	ca := &DevCA{file: filepath.Join(data, devCAFile), now: now}
	for _, n := range append(slices.Clone(devNames), extra...) {
		if !slices.Contains(ca.names, n) {
			ca.names = append(ca.names, n)
		}
	}
	keyFile := filepath.Join(data, devCAKeyFile)
	if err := ca.loadKey(keyFile); err != nil {
		return nil, err
	}
	if err := ca.loadCert(); err != nil {
		return nil, err
	}
	if _, err := ca.Certificate(nil); err != nil {
		return nil, err
	}
	return ca, nil
}

// File is the path of the authority's certificate, for SSL_CERT_FILE and the like.
func (ca *DevCA) File() string { return ca.file }

// Names are the host names and addresses that the server's certificate covers.
func (ca *DevCA) Names() []string { return ca.names }

// TLSConfig serves the certificate of dev.
func (ca *DevCA) TLSConfig() *tls.Config { return serverTLS(ca.Certificate) }

// Certificate is tls.Config's GetCertificate.
func (ca *DevCA) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := ca.now()
	if leaf := ca.leaf.Load(); leaf != nil && now.Add(devLeafRenew).Before(leaf.Leaf.NotAfter) {
		return leaf, nil
	}
	leaf, err := ca.issue(now)
	if err != nil {
		return nil, err
	}
	ca.leaf.Store(leaf)
	return leaf, nil
}

// loadKey makes the key first and the certificate after it, so that a crash in
// between leaves a key whose certificate can be made again.
func (ca *DevCA) loadKey(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(ca.file); err == nil {
			return fmt.Errorf("private CA: %s is there but its key %s is not: put the key back, or remove the certificate to have both made anew", ca.file, file)
		}
		return ca.makeKey(file)
	}
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("private CA: %s holds no PEM", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("private CA: %s: %w", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("private CA: %s holds no signing key", file)
	}
	ca.key = signer
	return nil
}

func (ca *DevCA) makeKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	ca.key = key
	return writeWhole(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (ca *DevCA) loadCert() error {
	text, err := os.ReadFile(ca.file)
	if errors.Is(err, fs.ErrNotExist) {
		return ca.makeCert()
	}
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("private CA: %s holds no PEM", ca.file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("private CA: %s: %w", ca.file, err)
	}
	public, ok := ca.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return fmt.Errorf("private CA: %s and %s do not belong together", ca.file, devCAKeyFile)
	}
	if !ca.now().Add(devLeafLife).Before(cert.NotAfter) {
		return ca.makeCert()
	}
	ca.cert = cert
	return nil
}

func (ca *DevCA) makeCert() error {
	serial, err := newSerial()
	if err != nil {
		return err
	}
	now := ca.now()
	template := &x509.Certificate{
		SerialNumber: serial,
		// Told apart by name: a machine may trust the authorities of several servers.
		Subject:               pkix.Name{Organization: []string{"Propusk"}, CommonName: "Propusk dev CA " + serial.Text(16)[:8]},
		NotBefore:             now.Add(-devBackdate),
		NotAfter:              now.Add(devCALife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("private CA: %w", err)
	}
	return writeWhole(ca.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func (ca *DevCA) issue(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("private CA: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Propusk"}, CommonName: "localhost"},
		NotBefore:             now.Add(-devBackdate),
		NotAfter:              now.Add(devLeafLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range ca.names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, strings.ToLower(n))
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("private CA: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("private CA: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// newSerial draws a positive serial number of 127 bits (RFC 5280, 4.1.2.2).
func newSerial() (*big.Int, error) {
	least := new(big.Int).Lsh(big.NewInt(1), 126)
	n, err := rand.Int(rand.Reader, least)
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	return n.Add(n, least), nil
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(file string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = errors.Join(f.Chmod(mode), writeAndSync(f, text))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.Rename(f.Name(), file)
}

func writeAndSync(f *os.File, text []byte) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}
