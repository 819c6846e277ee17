package web_test

import (
	"net/url"
	"strings"
	"testing"
)

// lures are return paths that somebody made up.
var lures = []string{
	"https://evil.example", "//evil.example", "//evil.example/account", `/\evil.example`, `\\evil.example`, `/\/evil.example`, "///evil.example",
	"/%2F%2Fevil.example", "/%5Cevil.example", "/%09/evil.example", "/\t/evil.example", "/\n/evil.example", " //evil.example", "http:evil.example",
	"javascript:alert(1)", "data:text/html,x", "/account/../../evil", "/account/..//evil.example", "/account@evil.example", "/account%00",
	"/account#@evil.example", "/account?x=y#z", `/account?x=\`, "/account?x= y", "/account?x=1&x=2", "/account?x=%zz", "/account?x=%0d%0aLocation:evil",
	"/iam/v1/tokens", "/sts", "/logout", "/login", "/language", "/account/tokens/end?id=x", "/account/second-factor/confirm", "/accounts", "account",
	"/ACCOUNT", "/account/", "/account//sessions", "/assets/x/style.css", "", "/", "?", "/account?" + strings.Repeat("x", 3000), "/аccount",
}

func TestNoWayElsewhere(t *testing.T) {
	for _, lure := range lures {
		b := newBrowser(t)
		page := b.open("/login?return=" + url.QueryEscape(lure))
		form := page.form(t, "/login")
		if got := form.Get("return"); !strings.HasPrefix(got, "/account") || strings.ContainsAny(got, "#\\\n\r") {
			t.Errorf("%q becomes %q on the page", lure, got)
		}
		for _, where := range []string{"form", "page"} {
			b := newBrowser(t)
			page := b.open("/login")
			if where == "page" {
				page = b.open("/login?return=" + url.QueryEscape(lure))
			}
			pairs := []string{"login", "alice", "password", goodPassword}
			if where == "form" {
				pairs = append(pairs, "return", lure)
			}
			if s := b.send(page, "/login", pairs...); !strings.HasPrefix(s.path, "/account") || s.Request.URL.Host != strings.TrimPrefix(b.server.URL, "https://") {
				t.Errorf("%q in the %s leads to %s", lure, where, s.Request.URL)
			}
			if s := b.open("/login?return=" + url.QueryEscape(lure)); s.Request.URL.Host != strings.TrimPrefix(b.server.URL, "https://") {
				t.Errorf("%q leads one who is signed in to %s", lure, s.Request.URL)
			}
		}
	}
}

// A person comes to the page that he asked for, through a second factor too.
func TestReturn(t *testing.T) {
	for _, path := range []string{"/account/sessions", "/account/sessions?page=a%26b%3Dc", "/account/tokens", "/account/password", consentPath} {
		for _, login := range []string{"alice", "bob"} {
			b := newBrowser(t)
			s := b.open(path)
			if !strings.HasPrefix(s.path, "/login?return=") {
				t.Fatalf("%s leads to %s", path, s.path)
			}
			s = b.send(s, "/login", "login", login, "password", goodPassword)
			if login == "bob" {
				s = b.open(s.path + "&with=recovery")
				s = b.send(s, "/login/code", "recovery_code", goodRecovery)
			}
			if s.path != path || s.StatusCode != 200 {
				t.Errorf("%s led %s to %s: %d", path, login, s.path, s.StatusCode)
			}
			if s := b.open("/login?return=" + url.QueryEscape(path)); s.path != path {
				t.Errorf("%s led one who is signed in to %s", path, s.path)
			}
		}
	}
}
