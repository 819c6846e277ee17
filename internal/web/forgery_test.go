package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/web"
)

// posts are all forms there are, each with fields that would do something.
var posts = map[string]url.Values{
	"/login": {"login": {"alice"}, "password": {goodPassword}}, "/login/code": {"code": {goodCode}}, "/logout": {}, "/language": {"language": {"ru"}},
	"/reset": {"reset_token": {goodReset}, "new_password": {"a new password"}, "again": {"a new password"}}, consentPath: {},
	"/join":                 {"invitation": {goodInvitation}, "login": {"nobody"}, "name": {"N"}, "new_password": {"a new password"}, "again": {"a new password"}},
	"/account/sessions/end": {"session_id": {"aje0session000000002"}}, "/account/sessions/end-others": {},
	"/account/tokens/end": {"oauth_token_id": {"aje0oauth0000000000a"}}, "/account/password": {"password": {goodPassword}, "new_password": {"a new password"}, "again": {"a new password"}},
	"/account/second-factor": {"password": {goodPassword}}, "/account/second-factor/confirm": {"code": {goodCode}, "link": {"otpauth://totp/x?secret=" + totpSecret}},
	"/account/second-factor/remove": {"password": {goodPassword}},
	"/device":                       {"user_code": {"BCDF-GHJK"}, "answer": {"allow"}}, "/account/programs/remove": {"client_id": {reports}},
}

// visitorForms need no session.
var visitorForms = map[string]bool{"/login": true, "/login/code": true, "/language": true, "/reset": true, "/join": true}

// proofOf is the proof that a page of this browser's has for a form.
func proofOf(t *testing.T, b *browser, path string) string {
	t.Helper()
	page, action := b.open("/account"), "/logout"
	if visitorForms[path] {
		action = "/language"
	}
	return page.form(t, action).Get("form_proof")
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	stranger := newBrowser(t)
	stranger.signIn("alice")
	for path, fields := range posts {
		b := newBrowser(t)
		b.signIn("alice")
		good := proofOf(t, b, path)
		theirs := proofOf(t, stranger, path)
		wrongKind := proofOf(t, b, map[bool]string{true: "/logout", false: "/language"}[visitorForms[path]])
		before := b.town.calls()
		attempt := func(what, proof string, headers ...string) {
			form := url.Values{}
			for k, v := range fields {
				form[k] = v
			}
			if proof != "" {
				form.Set("form_proof", proof)
			}
			r, err := http.NewRequest(http.MethodPost, b.server.URL+path, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			s := b.do(r)
			if s.StatusCode != http.StatusForbidden || b.town.calls() != before || len(s.Cookies()) != 0 {
				t.Errorf("%s with %s: status %d, %d calls, cookies %v", path, what, s.StatusCode, b.town.calls()-before, s.Cookies())
			}
		}
		same := []string{"Sec-Fetch-Site", "same-origin"}
		attempt("no proof", "", same...)
		attempt("a wrong proof", "AAAA", same...)
		attempt("another browser's proof", theirs, same...)
		attempt("a proof of the other kind", wrongKind, same...)
		attempt("a proof cut short", good[:len(good)-1], same...)
		attempt("a form of another site", good, "Sec-Fetch-Site", "cross-site")
		attempt("a form of a sibling", good, "Sec-Fetch-Site", "same-site", "Origin", "https://other."+strings.TrimPrefix(b.server.URL, "https://"))
		attempt("another origin and an old browser", good, "Origin", "https://evil.example")
		attempt("a hidden origin and an old browser", good, "Origin", "null")
	}
}

// A form of the server's own page goes through in browsers old and new, and for
// one that comes by another name than the proxy gives on.
func TestOwnForms(t *testing.T) {
	for what, headers := range map[string][]string{
		"new":         {"Sec-Fetch-Site", "same-origin", "Origin", "null"}, // no-referrer hides the origin
		"old":         {"Origin", "own"},
		"public name": {"Origin", "https://iam.example.com"},
		"no browser":  {},
	} {
		b := newBrowser(t)
		b.server.Config.Handler = pages(newDoor(t, b.town, func(c *web.Config) { c.Origin = "https://iam.example.com" }))
		form := b.open("/login").form(t, "/login")
		form.Set("login", "alice")
		form.Set("password", goodPassword)
		r, err := http.NewRequest(http.MethodPost, b.server.URL+"/login", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], strings.Replace(headers[i+1], "own", b.server.URL, 1))
		}
		if s := b.do(r); s.path != "/account" {
			t.Errorf("%s: %d at %s\n%s", what, s.StatusCode, s.path, s.text)
		}
	}
}

// Without a session a form of the account does nothing and leads to signing in,
// and back to a page where the person can look.
func TestFormsWithoutSession(t *testing.T) {
	for path, fields := range posts {
		if visitorForms[path] {
			continue
		}
		b := newBrowser(t)
		s := b.post(path, fields)
		if !strings.HasPrefix(s.path, "/login?") || b.town.calls() != 0 {
			t.Errorf("%s leads to %s", path, s.path)
		}
		s.wants(t, 200, "Your session has ended")
	}
}

// Fresh cookies come with the sign-in: what was there before is worth nothing.
func TestFormsOfTheTimeBefore(t *testing.T) {
	b := newBrowser(t)
	before := b.open("/login").form(t, "/login")
	b.signIn("alice")
	for k, v := range map[string]string{"login": "odd", "password": goodPassword} {
		before.Set(k, v)
	}
	if s := b.post("/login", before); s.StatusCode != http.StatusForbidden {
		t.Errorf("a form of before the sign-in is taken: %d", s.StatusCode)
	}
}
