package web

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzReturnPath: whatever is asked for, the way leads to a page of this door and
// to nothing that a browser could read as another place.
func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{"/account", "/authorize?client_id=x&response_type=token", "//evil", `/\evil`, "/account?x=%0d%0a", "/account?%", "/account?a=b&a=c", "/account#x", "/account?=&&=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := goOn(text)
		base, _ := url.Parse("https://own.example")
		u, err := base.Parse(path)
		if err != nil || u.Host != "own.example" || u.Scheme != "https" || u.Fragment != "" || u.User != nil {
			t.Fatalf("%q leads to %q: %v", text, path, err)
		}
		if r, ok := routes()[u.Path]; !ok || !r.returns || strings.ContainsAny(path, "\\#\r\n\t ") || strings.HasPrefix(path, "//") {
			t.Fatalf("%q leads to %q", text, path)
		}
		if again := goOn(path); again != path {
			t.Fatalf("%q leads to %q, and that to %q", text, path, again)
		}
	})
}
