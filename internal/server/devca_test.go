package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
)

func openCA(t *testing.T, data string, now func() time.Time, extra ...string) *server.DevCA {
	t.Helper()
	ca, err := server.OpenDevCA(data, extra, now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func leafOf(t *testing.T, ca *server.DevCA) *x509.Certificate {
	t.Helper()
	cert, err := ca.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func rootsOf(t *testing.T, ca *server.DevCA) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(ca.File())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", ca.File())
	}
	return roots
}

func TestDevCA(t *testing.T) {
	data := t.TempDir()
	ca := openCA(t, data, time.Now, "iam.api.cloud.yandex.net", "192.0.2.7", "localhost")
	leaf, roots := leafOf(t, ca), rootsOf(t, ca)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "x.localhost", "iam.localhost", "iam.api.localhost", "sts.localhost", "sts.api.localhost", "iam.api.cloud.yandex.net", "192.0.2.7"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "example.com"}); err == nil {
		t.Error("the certificate covers example.com")
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 825*24*time.Hour {
		t.Errorf("the certificate lives %s", life)
	}
	for file, want := range map[string]os.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600} {
		info, err := os.Stat(filepath.Join(data, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", file, info.Mode().Perm(), want)
		}
	}
	entries, err := os.ReadDir(data)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestDevCAStays(t *testing.T) {
	data, now := t.TempDir(), newClock()
	ca := openCA(t, data, now.Now)
	first, roots := leafOf(t, ca), rootsOf(t, ca)
	again := openCA(t, data, now.Now)
	if _, err := leafOf(t, again).Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"}); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if got := leafOf(t, ca); got != first {
		t.Error("the certificate is made anew at each handshake")
	}
	now.Add(61 * 24 * time.Hour)
	renewed := leafOf(t, ca)
	if renewed == first || now.Now().Add(60*24*time.Hour).After(renewed.NotAfter) {
		t.Errorf("not renewed: valid until %v", renewed.NotAfter)
	}
	if _, err := renewed.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost", CurrentTime: now.Now()}); err != nil {
		t.Error(err)
	}
	now.Add(10 * 365 * 24 * time.Hour)
	last := openCA(t, data, now.Now)
	if _, err := leafOf(t, last).Verify(x509.VerifyOptions{Roots: rootsOf(t, last), CurrentTime: now.Now()}); err != nil {
		t.Errorf("an authority at its end is not replaced: %v", err)
	}
}

func TestDevCABrokenFiles(t *testing.T) {
	t.Parallel()
	t.Run("certificate lost", func(t *testing.T) {
		data := t.TempDir()
		openCA(t, data, time.Now)
		if err := os.Remove(filepath.Join(data, "ca.pem")); err != nil {
			t.Fatal(err)
		}
		openCA(t, data, time.Now)
	})
	breaks := map[string]func(data string) error{
		"key lost":    func(data string) error { return os.Remove(filepath.Join(data, "ca-key.pem")) },
		"key garbled": func(data string) error { return os.WriteFile(filepath.Join(data, "ca-key.pem"), []byte("x"), 0o600) },
		"certificate garbled": func(data string) error {
			return os.WriteFile(filepath.Join(data, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), 0o600)
		},
		"strangers": func(data string) error {
			other := filepath.Join(data, "other")
			if err := os.Mkdir(other, 0o700); err != nil {
				return err
			}
			if _, err := server.OpenDevCA(other, nil, time.Now); err != nil {
				return err
			}
			return os.Rename(filepath.Join(other, "ca.pem"), filepath.Join(data, "ca.pem"))
		},
	}
	for name, spoil := range breaks {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			openCA(t, data, time.Now)
			if err := spoil(data); err != nil {
				t.Fatal(err)
			}
			if _, err := server.OpenDevCA(data, nil, time.Now); err == nil || !strings.Contains(err.Error(), "private CA") {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// serveCA answers over TLS with the authority's certificate; it returns the port.
func serveCA(t *testing.T, ca *server.DevCA) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", ca.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("reached")) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	return port
}

// run runs a program that a machine may lack.
func run(t *testing.T, stdin string, env []string, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestDevCAWithOpenSSL(t *testing.T) {
	ca := openCA(t, t.TempDir(), time.Now)
	port := serveCA(t, ca)
	for _, name := range []string{"localhost", "iam.localhost", "iam.api.localhost"} {
		out := run(t, "", nil, "openssl", "s_client", "-connect", "127.0.0.1:"+port, "-servername", name, "-verify_hostname", name,
			"-CAfile", ca.File(), "-verify_return_error", "-x509_strict", "-alpn", "h2")
		if !strings.Contains(out, "Verify return code: 0 (ok)") || !strings.Contains(out, "ALPN protocol: h2") {
			t.Errorf("%s:\n%s", name, out)
		}
	}
	run(t, "", nil, "openssl", "s_client", "-connect", "127.0.0.1:"+port, "-verify_ip", "127.0.0.1", "-CAfile", ca.File(), "-verify_return_error", "-x509_strict")
}

func TestDevCAWithNode(t *testing.T) {
	t.Parallel()
	ca := openCA(t, t.TempDir(), time.Now)
	out := run(t, `
const https = require("https"), lookup = (h, o, done) => o.all ? done(null, [{address: "127.0.0.1", family: 4}]) : done(null, "127.0.0.1", 4);
for (const host of ["localhost", "127.0.0.1", "iam.localhost", "iam.api.localhost"])
  https.get({host, port: process.env.PORT, lookup}, r => r.on("data", d => console.log(host, String(d))));
`, []string{"NODE_EXTRA_CA_CERTS=" + ca.File(), "PORT=" + serveCA(t, ca)}, "node", "-")
	if n := strings.Count(out, "reached"); n != 4 {
		t.Errorf("%d of 4 names reached:\n%s", n, out)
	}
}

func TestDevCAWithJava(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting Java takes seconds")
	}
	ca := openCA(t, t.TempDir(), time.Now)
	folder := t.TempDir()
	store, source := filepath.Join(folder, "trust.p12"), filepath.Join(folder, "Reach.java")
	write(t, source, []byte(`
import java.net.URI;
public class Reach {
  public static void main(String[] a) throws Exception {
    for (String host : new String[]{"localhost", "127.0.0.1"})
      System.out.println(new String(URI.create("https://" + host + ":" + a[0] + "/").toURL().openStream().readAllBytes()));
  }
}`))
	run(t, "", nil, "keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", ca.File(), "-keystore", store, "-storepass", "changeit", "-storetype", "PKCS12")
	out := run(t, "", nil, "java", "-Djavax.net.ssl.trustStore="+store, "-Djavax.net.ssl.trustStorePassword=changeit", source, serveCA(t, ca))
	if n := strings.Count(out, "reached"); n != 2 {
		t.Errorf("%d of 2 names reached:\n%s", n, out)
	}
}
