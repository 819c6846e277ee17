package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/web"
)

// Every page a person can open, and who opens it.
var everyPage = map[string]string{
	"/login": "", "/login?return=/account/tokens&note=ended": "", "/reset": "", "/reset?token=x": "", "/authorize?response_type=code": "alice",
	"/logout": "alice", consentPath: "alice", "/account": "alice", "/account/sessions": "bob", "/account/tokens": "odd",
	"/account/tokens/end?id=aje0oauth0000000000a": "alice", "/account/password": "alice", "/account/second-factor": "bob",
	"/account/second-factor/remove": "bob", "/account/nowhere": "", "/login/nowhere": "alice",
	authorizePath + "?client_id=nobody": "", authorizePath + "?client_id=" + reports: "alice", authorizePath + "?client_id=" + reports + "&client_id=odd": "",
	"/oauth/logout": "alice", "/oauth/logout?client_id=odd": "alice", "/oauth/logout?post_logout_redirect_uri=https://evil.example": "", "/device": "alice", "/device?user_code=BCDF-GHJK": "bob",
	"/account/programs": "odd", "/account/programs?page=more": "alice", "/account/programs/remove?id=" + reports: "alice", "/account/programs/remove?id=x": "alice", "/device/nowhere": "", "/oauth/authorize/nowhere": "",
}

const consentPath = "/authorize?client_id=" + publicClient + "&response_type=token"

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

var (
	loads   = regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	inlines = regexp.MustCompile(`(?i) style=| on[a-z]+=|<style|javascript:|<script>|<script [^s]`)
)

// Whoever asks in whatever language, a page has the headers that keep it safe,
// loads nothing from elsewhere, has nothing that its policy would stop, and is in
// the language that was asked for.
func TestEveryPage(t *testing.T) {
	for path, who := range everyPage {
		for _, language := range []string{"en", "ru"} {
			b := newBrowser(t)
			b.header.Set("Accept-Language", language)
			if who != "" {
				b.signIn(who)
			}
			s := b.open(path)
			if s.path != path {
				t.Errorf("%s leads to %s", path, s.path)
			}
			for name, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Content-Language": language,
			} {
				if got := s.Header.Get(name); got != want {
					t.Errorf("%s: %s is %q, want %q", path, name, got, want)
				}
			}
			if id := s.Header.Get("X-Request-Id"); !requestID.MatchString(id) || (s.StatusCode >= 400 && !strings.Contains(s.text, id)) {
				t.Errorf("%s: the request id %q is not one, or not on the page of an error", path, id)
			}
			for _, m := range loads.FindAllStringSubmatch(s.text, -1) {
				if !strings.HasPrefix(m[1], "/") && m[1] != "#content" || strings.HasPrefix(m[1], "//") {
					t.Errorf("%s refers to %s", path, m[1])
				}
			}
			if bad := inlines.FindString(s.text); bad != "" {
				t.Errorf("%s has %q, which its policy stops", path, bad)
			}
			s.wants(t, s.StatusCode, `<html lang="`+language+`">`, `<main id="content"`)
			if strings.Contains(s.text, "ZgotmplZ") || strings.Contains(s.text, "&lt;no value") {
				t.Errorf("%s: a template had something that it would not show", path)
			}
		}
	}
}

var requestID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestHeadIsGetWithoutBody(t *testing.T) {
	b := newBrowser(t)
	r, _ := http.NewRequest(http.MethodHead, b.server.URL+"/login", nil)
	if s := b.do(r); s.StatusCode != http.StatusOK || s.text != "" || s.Header.Get("Content-Type") == "" {
		t.Errorf("%d %q", s.StatusCode, s.text)
	}
}

// Pages are a browser's; what is no page, and everything that no browser asks
// for, is the API's.
func TestTakes(t *testing.T) {
	const html, json = "text/html,*/*;q=0.8", "application/json"
	for _, c := range []struct {
		method, target, accept string
		want                   bool
	}{
		{"GET", "/", html, true}, {"HEAD", "/", html, true}, {"GET", "/", json, false}, {"GET", "/", "", false}, {"POST", "/", html, false},
		{"GET", "/login", "", true}, {"POST", "/login", json, true}, {"PUT", "/account", json, true}, {"GET", "/authorize?x=y", json, true},
		{"GET", "/account/nowhere", html, true}, {"GET", "/account/nowhere", json, false}, {"GET", "/account/nowhere", "", false},
		{"GET", "/account/", html, true}, {"GET", "/login/", json, false}, {"GET", "/assets/x", "", true}, {"GET", "/assets", html, false},
		{"GET", "/iam/v1/tokens", html, false}, {"GET", "/nowhere", html, false}, {"GET", "/accounts", html, false}, {"GET", "//login", html, false},
		{"GET", "/Login", html, false}, {"GET", "/%6Cogin", html, false}, {"GET", "/account%2Fsessions", html, false}, {"GET", "/account/%73essions", json, false}, {"GET", "/account", "Text/HTML;q=0.1", true}, {"GET", "/account/x", "text/htmlx", false}, {"POST", "/sts", html, false},
	} {
		r := requestOf(t, c.method, c.target, c.accept)
		if got := web.Takes(r); got != c.want {
			t.Errorf("%s %s for %q: %v, want %v", c.method, c.target, c.accept, got, c.want)
		}
	}
}

func requestOf(t *testing.T, method, target, accept string) *http.Request {
	t.Helper()
	u, err := url.Parse("http://host" + target)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: method, URL: u, Header: http.Header{}}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return r
}

func TestNotFound(t *testing.T) {
	b := newBrowser(t)
	b.open("/account/nowhere").wants(t, 404, "There is no such page", "Request:")
	b.open("/account/%73essions").wants(t, 404, "There is no such page")
	b.header.Set("Accept", "*/*")
	b.open("/account/nowhere").wants(t, 404, `{"code":5}`)
	b.header.Set("Accept", "text/html")
	if s := b.open("/"); s.path != "/login" {
		t.Errorf("the first page leads to %s", s.path)
	}
}

func TestMethods(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	for path, allow := range map[string]string{"/account": "GET, HEAD, POST", "/account/sessions/end": "GET, HEAD, POST"} {
		r, _ := http.NewRequest(http.MethodDelete, b.server.URL+path, nil)
		if s := b.do(r); s.StatusCode != http.StatusMethodNotAllowed || s.Header.Get("Allow") != allow {
			t.Errorf("DELETE %s: %d, Allow %q", path, s.StatusCode, s.Header.Get("Allow"))
		}
	}
	if s := b.post("/account", nil); s.StatusCode != http.StatusMethodNotAllowed || s.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /account: %d, Allow %q", s.StatusCode, s.Header.Get("Allow"))
	}
	// A browser that comes again to the answer to a form is sent to where it began.
	for path, home := range map[string]string{"/account/sessions/end": "/account/sessions", "/account/sessions/end-others": "/account/sessions",
		"/account/second-factor/confirm": "/account/second-factor", "/language": "/account"} {
		if s := b.open(path); s.path != home || s.StatusCode != 200 {
			t.Errorf("%s leads to %s", path, s.path)
		}
	}
}

// Names are shown, not obeyed, and turn around nothing but themselves.
func TestHarmfulNames(t *testing.T) {
	b := newBrowser(t)
	s := b.signIn("odd")
	const safe = `<bdi>&lt;script&gt;alert(1)&lt;/script&gt; &#34;&amp;&#39; ` + "\u202Eevil 🦊</bdi>"
	s.wants(t, 200, "<h1>"+safe+"</h1>", "<h3>"+safe+"</h3>")
	if strings.Contains(s.text, "<script>alert") {
		t.Error("a name has become a script")
	}
	b.open("/account/sessions").wants(t, 200, "Unknown browser")
	b.open("/account/tokens").wants(t, 200, "laptop &lt;1&gt;", "<bdi>some-other-client</bdi>")
	b2 := newBrowser(t)
	b2.send(b2.open("/login"), "/login", "login", harm, "password", "x").wants(t, 401, `value="&lt;script&gt;`)
}

func TestAssets(t *testing.T) {
	b := newBrowser(t)
	page := b.open("/login")
	for kind, found := range map[string]string{"text/css; charset=utf-8": "style.css", "text/javascript; charset=utf-8": "pages.js", "image/svg+xml": "icon.svg"} {
		path := regexp.MustCompile(`/assets/[0-9a-f]+/` + found).FindString(page.text)
		s := b.open(path)
		if s.StatusCode != 200 || s.Header.Get("Content-Type") != kind || s.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || s.text == "" {
			t.Errorf("%q: %d %v", path, s.StatusCode, s.Header)
		}
		if len(s.Cookies()) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
	}
	for _, path := range []string{"/assets/", "/assets/0/style.css", "/assets/style.css", "/assets/../door.go", "/assets/%2e%2e/door.go"} {
		s := b.open(path)
		if s.StatusCode != 404 || s.Header.Get("Cache-Control") == "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d", path, s.StatusCode)
		}
	}
}
