package oauthclient_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/oauthclient"
)

// FuzzRedirectURI: what passes means the same to the standard library, and what a
// native client is answered at on this very machine is this very machine.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{"https://a.example:8443/cb?x=%2F", "http://127.0.0.1:1/cb", "http://[::1]/cb", "com.example.app:/cb", "myapp://cb",
		`https://a\@b/`, "https://a/%2e%2e", "http://127.0.0.1:1@b/cb", "https://a.example/../", "http://127.0.0.1/cb?", "a:/?", "https://1.2.3.4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		for _, profile := range []string{web, spa, native} {
			if oauthclient.WrongURI(profile, uri) != "" {
				continue
			}
			u, err := url.Parse(uri)
			if err != nil {
				t.Fatalf("%q passes and does not parse: %v", uri, err)
			}
			clean := u.IsAbs() && u.Opaque == "" && u.User == nil && u.Fragment == "" && !strings.Contains(uri, "#") && u.String() == uri
			if !clean || strings.ContainsAny(u.Path, "\\") || strings.Contains(u.Path+"/", "/../") {
				t.Fatalf("%q passes and is read as %#v, %s", uri, u, u)
			}
			if web := u.Scheme == "https" || u.Scheme == "http"; web && u.Hostname() == "" || !web && profile != native {
				t.Fatalf("%q passes for %s", uri, profile)
			}
			if h := u.Hostname(); u.Scheme == "http" && h != "127.0.0.1" && h != "localhost" && h != "::1" {
				t.Fatalf("%q passes", uri)
			}
		}
		if oauthclient.Allows(native, []string{"http://127.0.0.1/cb"}, uri) {
			if u, err := url.Parse(uri); err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.RequestURI() != "/cb" || u.User != nil || strings.Contains(uri, "#") {
				t.Fatalf("answered at %q: %v", uri, err)
			}
		}
	})
}
