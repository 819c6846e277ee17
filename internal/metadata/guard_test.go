package metadata_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/metadata"
)

const tokenPath = "/computeMetadata/v1/instance/service-accounts/default/token"

func TestForwardedAndBrowsersAreRefused(t *testing.T) {
	for _, h := range []string{"X-Forwarded-For: 10.0.0.5", "x-forwarded-for: ", "X-Forwarded-Host: a", "X-Forwarded-Proto: http", "Forwarded: for=1", "X-Real-IP: 1", "Via: 1.1 p",
		"X_Forwarded_For: 1", "X-Client-Ip: 1", "True-Client-IP: 1", "X-Forwarded: 1", "Forwarded-For: 1", "X-Original-Forwarded-For: 1",
		"X-Original-URL: /", "X-Rewrite-URL: /", "X-Cluster-Client-IP: 1", "X-Envoy-External-Address: 1", "CDN-Loop: a", "Client-IP: 1", "Proxy-Authorization: x",
		"Origin: null", "Origin: http://169.254.169.254", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Site: same-origin", "Referer: http://a/", "Access-Control-Request-Method: PUT"} {
		for _, path := range []string{"/", tokenPath, "/latest/meta-data/", "/nowhere"} {
			if w := ask(full(t), "GET", path, flavour, h); w.Code != 403 {
				t.Errorf("%s with %q: %d", path, h, w.Code)
			}
		}
		if w := ask(full(t), "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60", h); w.Code != 403 {
			t.Errorf("a session token with %q: %d", h, w.Code)
		}
	}
	// And what programs do send is let in.
	if w := ask(full(t), "GET", tokenPath, flavour, "User-Agent: x", "Accept: */*", "Accept-Encoding: gzip", "Connection: keep-alive", "Cookie: a=b"); w.Code != 200 {
		t.Errorf("an ordinary request: %d", w.Code)
	}
}

func TestHost(t *testing.T) {
	d := door(t, metadata.Config{Accounts: metadata.Everyone(good()), Hosts: []string{"Meta.example.com.", "192.0.2.7", "2001:db8::7"}})
	for host, allowed := range map[string]bool{
		"169.254.169.254": true, "169.254.169.254:80": true, "169.254.169.254:8080": true,
		"metadata.google.internal": true, "metadata.google.internal.": true, "METADATA.google.INTERNAL:80": true, "localhost": true, "localhost:9": true,
		"10.0.0.1": true, "10.0.0.1:80": true, "[::ffff:10.0.0.1]:80": true, "[::ffff:a9fe:a9fe]": true, // the address connected to, and IPv4 as IPv6 spells it
		"meta.example.com": true, "meta.example.com.:80": true, "192.0.2.7": true, "[2001:db8::7]:80": true, "[2001:DB8:0:0::7]": true,

		"": false, "evil.example": false, "169.254.169.254.evil.example": false, "evil.example:169.254.169.254": false,
		"metadata.google.internal..": false, "metadata.google.internal.evil.example": false, "xmetadata.google.internal": false,
		"localhost.evil.example": false, "sub.localhost": false, "127.0.0.1": false, "10.0.0.2": false, "0.0.0.0": false, "[::]": false, "[::1]": false,
		"2852039166": false, "0xa9fea9fe": false, "169.254.43518": false, "0251.0376.0251.0376": false, "169.254.169.254.": false,
		"[169.254.169.254]": false, "[fe80::1%25eth0]": false, "[fe80::1%eth0]:80": false, "2001:db8::7": false, "[2001:db8::7": false, "[2001:db8::7]80": false,
		"localhost:": false, "localhost:80x": false, "localhost:8080808": false, "localhost:80:80": false, "user@localhost": false, "localhost/": false, "localhost\t": false,
		" localhost": false, "lоcalhost": false, "169.254.169.254,evil.example": false, "localhost#": false, strings.Repeat("a", 300): false,
	} {
		w := ask(d, "GET", tokenPath, flavour, "Host: "+host)
		if (w.Code == 200) != allowed || (!allowed && w.Code != 403) {
			t.Errorf("%q: %d, allowed should be %v", host, w.Code, allowed)
		}
		if !allowed && host != "" && strings.Contains(w.Body.String(), host) {
			t.Errorf("%q comes back in the answer", host)
		}
	}
}

func TestFormOfRequests(t *testing.T) {
	for _, c := range []struct {
		method, target string
		code           int
		allow          string
	}{
		{"POST", tokenPath, 405, "GET, HEAD"}, {"PUT", tokenPath, 405, "GET, HEAD"}, {"DELETE", "/", 405, "GET, HEAD"},
		{"OPTIONS", tokenPath, 405, "GET, HEAD"}, {"TRACE", tokenPath, 405, "GET, HEAD"}, {"get", tokenPath, 405, "GET, HEAD"},
		{"GET", "/latest/api/token", 405, "PUT"}, {"POST", "/latest/api/token", 405, "PUT"}, {"HEAD", "/latest/api/token", 405, "PUT"},
		{"PUT", "/2009-04-04/api/token", 405, "GET, HEAD"},
		{"HEAD", tokenPath, 200, ""},
		{"GET", "/" + strings.Repeat("a", 3000), 414, ""},
		{"GET", "http://169.254.169.254" + tokenPath, 400, ""}, {"GET", "http://evil.example/", 400, ""},
		{"GET", "/computeMetadata//v1/instance/id", 404, ""}, {"GET", "//computeMetadata/v1/instance/id", 404, ""},
		{"GET", "/computeMetadata/v1/../v1/instance/id", 404, ""}, {"GET", "/computeMetadata/v1/./instance/id", 404, ""},
		{"GET", "/computeMetadata/v1/instance/%69d", 404, ""}, {"GET", "/computeMetadata%2fv1%2finstance/id", 404, ""}, {"GET", "/computeMetadata/v1/instance/id%00", 404, ""},
		{"GET", "/computeMetadata/v1/instance/id%0d%0aX-Evil:1", 404, ""}, {"GET", "/computeMetadata/v1/instance//evil.example", 404, ""},
		{"GET", "/COMPUTEMETADATA/v1/instance/id", 404, ""},
	} {
		w := ask(full(t), c.method, c.target, flavour)
		if w.Code != c.code || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %.60s: %d, Allow %q; want %d, %q", c.method, c.target, w.Code, w.Header().Get("Allow"), c.code, c.allow)
		}
	}
}

func TestBodiesAreRefused(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"length":  func(r *http.Request) { r.ContentLength = 1 },
		"chunked": func(r *http.Request) { r.ContentLength = -1; r.TransferEncoding = []string{"chunked"} },
		"unknown": func(r *http.Request) { r.ContentLength = -1 },
		"upgrade": func(r *http.Request) { r.Header.Set("Upgrade", "h2c") },
	} {
		r := httptest.NewRequest("GET", tokenPath, nil)
		r.Host, r.RemoteAddr = "localhost", "10.0.0.5:1"
		r.Header.Set("Metadata-Flavor", "Google")
		change(r)
		w := httptest.NewRecorder()
		full(t).ServeHTTP(w, r)
		if w.Code != 400 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// Whose address is not known gets nothing, whatever accounts there are.
func TestUnknownPeer(t *testing.T) {
	for _, peer := range []string{"", "@", "10.0.0.5", "pipe"} {
		if w := askFrom(full(t), peer, "GET", tokenPath, flavour); w.Code != 403 {
			t.Errorf("%q: %d", peer, w.Code)
		}
	}
}
