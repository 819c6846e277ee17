package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/propusk/propusk/internal/server"
)

// authority issues certificates to services.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "services"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a client certificate; uri and dns may be "".
func (a *authority) issue(t *testing.T, common, dns, uri string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: common},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if dns != "" {
		template.DNSNames = []string{dns}
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestServicesProveThemselvesByCertificate(t *testing.T) {
	folder, ours, others := t.TempDir(), newAuthority(t), newAuthority(t)
	certFile, keyFile := writePair(t, folder, "iam.example.com", time.Now().Add(time.Hour))
	authorities := filepath.Join(folder, "services.pem")
	write(t, authorities, ours.pem)
	h := serveHouse(t, server.Config{TLSCert: certFile, TLSKey: keyFile, AccessClientCA: authorities, AccessCallers: []server.AccessCaller{
		{Name: "ydb", Certificate: "YDB.example.com", Types: []string{folderType}},
		{Name: "mesh", Certificate: "spiffe://mesh/ydb", Types: []string{folderType}},
		{Name: "old", Certificate: "old-ydb", Types: []string{"ydb.database"}},
	}}, nil)
	later := time.Now().Add(time.Hour)
	tlsWith := func(certs ...tls.Certificate) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: certs}) // the server's side is tested elsewhere
	}
	mine := h.home.FolderID
	for _, c := range []struct {
		name string
		cert tls.Certificate
		kind string
		code codes.Code
		text string
	}{
		{"a DNS name", ours.issue(t, "", "ydb.example.com", "", later), folderType, codes.OK, ""},
		{"a URI", ours.issue(t, "", "", "spiffe://mesh/ydb", later), folderType, codes.OK, ""},
		{"a common name, another type", ours.issue(t, "old-ydb", "", "", later), folderType, codes.PermissionDenied, "The service old is not registered to ask about resources of type resource-manager.folder"},
		{"a common name beside another DNS name", ours.issue(t, "old-ydb", "x.example.com", "", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"an unknown name", ours.issue(t, "x", "x.example.com", "", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"a URI whose host is in capitals", ours.issue(t, "", "", "SPIFFE://Mesh/ydb", later), folderType, codes.OK, ""},
		{"a URI whose path is in capitals", ours.issue(t, "", "", "spiffe://mesh/YDB", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"a URI as a common name", ours.issue(t, "spiffe://mesh/ydb", "", "", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"a URI as a DNS name", ours.issue(t, "", "spiffe://mesh/ydb", "", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"a DNS name as a URI", ours.issue(t, "", "", "ydb.example.com", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"a wildcard over a service's name", ours.issue(t, "", "*.example.com", "", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"no names at all", ours.issue(t, "", "", "", later), folderType, codes.Unauthenticated, "no name of a registered service"},
		{"another authority", others.issue(t, "", "ydb.example.com", "", later), folderType, codes.Unavailable, ""},
		{"expired", ours.issue(t, "", "ydb.example.com", "", time.Now().Add(-time.Minute)), folderType, codes.Unavailable, ""},
	} {
		code(t, c.name, h.authorize(t, tlsWith(c.cert), "", c.kind, mine), c.code, c.text)
	}
	code(t, "no certificate", h.authorize(t, tlsWith(), "", folderType, mine), codes.Unauthenticated, "must show a certificate")
	code(t, "plaintext", h.authorize(t, insecure.NewCredentials(), "", folderType, mine), codes.Unavailable, "")
}

// A certificate that is good when the connection begins is refused once it has
// expired, and a new file of authorities counts for the next connection.
func TestCertificatesEnd(t *testing.T) {
	folder, ours, others := t.TempDir(), newAuthority(t), newAuthority(t)
	certFile, keyFile := writePair(t, folder, "iam.example.com", time.Now().Add(time.Hour))
	authorities := filepath.Join(folder, "services.pem")
	write(t, authorities, ours.pem)
	h := serveHouse(t, server.Config{TLSCert: certFile, TLSKey: keyFile, AccessClientCA: authorities, AccessCallers: []server.AccessCaller{
		{Name: "ydb", Certificate: "ydb.example.com", Types: []string{folderType}}}}, nil)
	connect := func(a *authority, until time.Time) *grpc.ClientConn {
		conn, err := grpc.NewClient(h.AccessAddr(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{a.issue(t, "", "ydb.example.com", "", until)}})))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	short := connect(ours, time.Now().Add(3*time.Second))
	code(t, "while it is good", h.ask(t, short, "", folderType, h.home.FolderID), codes.OK, "")
	write(t, authorities, append(others.pem, '\n'))
	time.Sleep(4 * time.Second) // the file is looked at every 2 s, and the certificate ends
	code(t, "expired", h.ask(t, short, "", folderType, h.home.FolderID), codes.Unauthenticated, "expired since the connection began")
	code(t, "the new authority", h.ask(t, connect(others, time.Now().Add(time.Hour)), "", folderType, h.home.FolderID), codes.OK, "")
	code(t, "the old authority", h.ask(t, connect(ours, time.Now().Add(time.Hour)), "", folderType, h.home.FolderID), codes.Unavailable, "")
}
