package sts_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/propusktest"
)

// What dev's env file says is all that AWS's clients need, after a restart too;
// and nobody else may read it.
func TestDevEnv(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var first key
	for range 2 {
		w := &world{log: &logText{}, Server: propusktest.New(t, propusktest.OnDisk(folder))}
		text, err := os.ReadFile(filepath.Join(folder, server.DevEnvFile))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(folder, server.DevEnvFile)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file's mode is %v (%v)", info.Mode(), err)
		}
		env := map[string]string{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			env[name] = value
		}
		k := key{id: env["AWS_ACCESS_KEY_ID"], secret: env["AWS_SECRET_ACCESS_KEY"]}
		if a := w.signed(t, k, whoami); a.Who.UserId != w.ServiceAccountID || env["AWS_ENDPOINT_URL_STS"] != w.HTTPURL || env["AWS_REGION"] != "ru-central1" {
			t.Errorf("%d %s %+v at %s", a.status, a.code, a.Who, env["AWS_ENDPOINT_URL_STS"])
		}
		if first.id != "" && k != first {
			t.Error("a restart has made another key")
		}
		first = k
		w.Stop(t)
	}
}

// The certificate covers the names at which the public cloud's clients look.
func TestDevNames(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	w := propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithConfig(func(c *server.Config) { c.APIHost = "cloud.example:8443" }))
	text, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	for name, good := range map[string]bool{"cloud.example": true, "iam.cloud.example": true, "sts.cloud.example": true, "sts.localhost": true, "x.cloud.example": false} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(w.HTTPURL, "http://"), &tls.Config{RootCAs: roots, ServerName: name})
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}
