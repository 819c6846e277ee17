package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestLeadsTo(t *testing.T) {
	for _, c := range []struct {
		location, address string
		want              bool
	}{
		{"https://a.example/back?code=x", "https://a.example/back", true},
		{"https://a.example/back", "https://a.example/back", true},
		{"https://a.example/back?t=1&code=x", "https://a.example/back?t=1", true},
		{"com.example.app:/back?code=x", "com.example.app:/back", true},
		{"https://a.example?code=x", "https://a.example", true},
		{"https://a.example.evil/?code=x", "https://a.example", false},
		{"https://a.example@evil.example/", "https://a.example", false},
		{"https://a.example/backdoor?code=x", "https://a.example/back", false},
		{"https://a.example/back#code=x", "https://a.example/back", false},
		{"https://a.example/back?x=\r\nSet-Cookie:x", "https://a.example/back", false},
		{`https://a.example/back?x=\`, "https://a.example/back", false},
		{"https://evil.example", "", false},
		{"/account", "/account", false},
		{"//evil.example?x", "//evil.example", false},
		{"javascript:alert(1)?x", "javascript:alert(1)", false},
		{"JavaScript:alert(1)?x", "JavaScript:alert(1)", false},
		{"data:text/html,x", "data:text/html,x", false},
	} {
		if got := leadsTo(c.location, c.address); got != c.want {
			t.Errorf("%q at %q: %v", c.location, c.address, got)
		}
	}
}

// Wherever a location leads, the address leads there too.
func FuzzLeadsTo(f *testing.F) {
	f.Add("https://a.example/back", "?code=x")
	f.Add("https://a.example", "@evil.example")
	f.Add("https://a.example?", ".evil")
	f.Add("app:/x", ":1//")
	f.Fuzz(func(t *testing.T, address, more string) {
		location := address + more
		if !leadsTo(location, address) {
			return
		}
		a, err := url.Parse(address)
		if err != nil {
			return // the gate knows no such address
		}
		l, err := url.Parse(location)
		if err != nil {
			return
		}
		if a.Scheme != l.Scheme || a.Host != l.Host || a.User.String() != l.User.String() || a.EscapedPath() != l.EscapedPath() || strings.ContainsAny(location, "\r\n") {
			t.Errorf("%q leads elsewhere than %q", location, address)
		}
	})
}
