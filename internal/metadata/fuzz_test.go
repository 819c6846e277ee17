package metadata_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/metadata"
)

// Whatever a request is, it is answered, a token goes only to who has the flavour
// and one of our names, and a redirect stays here.
func FuzzRequest(f *testing.F) {
	for _, s := range []struct{ method, target, host, name, value string }{
		{"GET", tokenPath, "169.254.169.254", "Metadata-Flavor", "Google"},
		{"GET", tokenPath + "?alt=json&recursive=true&wait_for_change=false&timeout_sec=1&last_etag=%22a%22", "localhost:80", "metadata-flavor", "Google"},
		{"GET", "/computeMetadata/v1/instance?recursive=true&alt=text", "[::ffff:a9fe:a9fe]:1", "Metadata-Flavor", "Google"},
		{"GET", "/computeMetadata/v1/instance?a=/../", "metadata.google.internal.", "Metadata-Flavor", "Google"},
		{"PUT", "/latest/api/token", "localhost", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600"},
		{"GET", credentialsPath, "localhost", "X-Aws-Ec2-Metadata-Token", strings.Repeat("A", 76)},
		{"GET", "//evil.example/..", "evil.example", "X-Forwarded-For", "1"},
		{"GET", "http://evil.example/", "[fe80::1%25eth0]", "Origin", "null"},
		{"GET", "/latest/user-data/?wait_for_change=true", "0x7f.1", "Metadata-Flavor", "Google"},
	} {
		f.Add(s.method, s.target, s.host, s.name, s.value)
	}
	d, err := metadata.New(metadata.Config{Accounts: metadata.Everyone(good()), Instance: machine(), Now: func() time.Time { return epoch }})
	if err != nil {
		f.Fatal(err)
	}
	d.Close() // so that nothing waits
	f.Fuzz(func(t *testing.T, method, target, host, name, value string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := (&http.Request{Method: method, URL: u, RequestURI: target, Host: host, RemoteAddr: "10.0.0.5:1", Proto: "HTTP/1.1",
			Header: http.Header{http.CanonicalHeaderKey(name): {value}}}).WithContext(context.Background())
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Header().Get("Cache-Control") != "no-store" || w.Code < 200 || w.Code == 500 {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "t1.a.b") && (http.CanonicalHeaderKey(name) != "Metadata-Flavor" || value != "Google" || method != "GET" && method != "HEAD") {
			t.Fatalf("a token for %s %q %q: %q", method, target, name, value)
		}
		if w.Code == 200 && w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("broken JSON: %q", w.Body)
		}
		if to := w.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/computeMetadata/") || strings.ContainsAny(to, "\r\n")) {
			t.Fatalf("a redirect to %q", to)
		}
	})
}

// What is taken for one of our names is spelled as one.
func FuzzHost(f *testing.F) {
	for _, h := range []string{"169.254.169.254", "LOCALHOST.:80", "[::ffff:a9fe:a9fe]:80", "evil.example", "2852039166", "[fe80::1%eth0]", "localhost\x00.evil", "a:b:c", "[]", "[::1]x"} {
		f.Add(h)
	}
	d, err := metadata.New(metadata.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.RemoteAddr = host, "10.0.0.5:1"
		r.Header.Set("Metadata-Flavor", "Google")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code == 403 {
			return
		}
		name := strings.ToLower(host)
		if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") && strings.Trim(name[i+1:], "0123456789") == "" {
			name = name[:i]
		}
		switch strings.TrimSuffix(name, ".") {
		case "localhost", "metadata.google.internal":
		case "169.254.169.254":
		default:
			if !strings.HasPrefix(name, "[") || !strings.Contains(name, "ffff") {
				t.Errorf("%q is let in", host)
			}
		}
	})
}

// A file of settings is read or refused in words; what was read passes Check or is
// refused as well.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(settingsExample))
	f.Add([]byte("listeners: [{listen: ':80'}]\naccounts: {a: {metadata: 'x:1'}}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("<<: {endpoint: x}\nminimum-life: .nan"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "user-data-file") {
			return // it would be read
		}
		s, err := metadata.ParseSettings("f", text)
		if err == nil {
			err = s.Check()
		}
		if err != nil && err.Error() == "" {
			t.Error("refused without a word")
		}
		if err == nil && len(s.Listeners) == 0 {
			t.Error("no listener")
		}
	})
}
