package web_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/web"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func TestSignIn(t *testing.T) {
	for name, c := range map[string]struct {
		login, password string
		status          int
		says            string
		retryAfter      string
	}{
		"a wrong password":   {"alice", "x", 401, "The login or the password is wrong.", ""},
		"an unknown login":   {"carol", goodPassword, 401, "The login or the password is wrong.", ""},
		"a suspended person": {"asleep", goodPassword, 403, "This account is suspended.", ""},
		"too many attempts":  {"locked", goodPassword, 429, "Too many attempts. Try again in 90 s.", "90"},
		"a full queue":       {"crowded", goodPassword, 503, "Try again in 5 s.", "5"},
		"no login":           {"", goodPassword, 400, `id="login-mistake">Type your login`, ""},
		"no password":        {"alice", "", 400, `id="password-mistake">Type your password.`, ""},
		"a fault inside":     {"broken", "secret of alice", 500, "Something went wrong here", ""},
		"a panic":            {"panics", goodPassword, 500, "Something went wrong here", ""},
	} {
		b := newBrowser(t)
		s := b.send(b.open("/login"), "/login", "login", c.login, "password", c.password)
		s.wants(t, c.status, c.says)
		if s.Header.Get("Retry-After") != c.retryAfter {
			t.Errorf("%s: Retry-After %q", name, s.Header.Get("Retry-After"))
		}
		if strings.Contains(s.text, "disk of") || strings.Contains(s.text, "secret of") || strings.Contains(s.text, goodPassword) {
			t.Errorf("%s: the page tells too much:\n%s", name, s.text)
		}
		if s.StatusCode < 500 && !strings.Contains(s.text, ` value="`+c.login+`"`) && c.login != "" {
			t.Errorf("%s: the login is not kept", name)
		}
		if len(b.town.sessions) != 0 {
			t.Errorf("%s: somebody is signed in", name)
		}
	}
}

// The cursor is where the person goes on: in the first field that is still empty.
func TestCursor(t *testing.T) {
	b := newBrowser(t)
	cursor := regexp.MustCompile(`<input id="([a-z]+)"[^>]* autofocus`)
	wrong := func(login, password string) *shown {
		return b.send(b.open("/login"), "/login", "login", login, "password", password)
	}
	for _, c := range []struct {
		page *shown
		want string
	}{
		{b.open("/login"), "login"}, {b.open("/login?login=alice"), "password"}, {wrong("alice", "x"), "password"},
		{wrong("", ""), "login"}, {wrong("", "x"), "login"}, {wrong("alice", ""), "password"},
	} {
		if got := cursor.FindAllStringSubmatch(c.page.text, -1); len(got) != 1 || got[0][1] != c.want {
			t.Errorf("the cursor is in %v, want %s", got, c.want)
		}
	}
}

// What is too long for the gate is told of in the person's own language.
func TestTooLong(t *testing.T) {
	b := newBrowser(t)
	b.header.Set("Accept-Language", "ru")
	b.town.fails[propuskpb.SignInService_Start_FullMethodName] = &iam.Error{Kind: iam.InvalidArgument, Reason: "validation",
		Fields: []iam.FieldViolation{{Field: "login", Description: "must be at most 256 characters long"}}}
	s := b.send(b.open("/login"), "/login", "login", strings.Repeat("я", 257), "password", "x")
	if s.wants(t, 400, `id="login-mistake">Слишком длинно.`); strings.Contains(s.text, "must be") {
		t.Error(s.text)
	}
}

// What the gate is told of the person's place is what the door sees itself.
func TestClient(t *testing.T) {
	b := newBrowser(t)
	b.header.Set("User-Agent", "Browser "+strings.Repeat("я", 3000))
	b.header.Set("X-Forwarded-For", "203.0.113.9")
	b.send(b.open("/login"), "/login", "login", "alice", "password", "x")
	want := &propuskpb.StartSignInRequest{Login: "alice", Password: "x", Client: &propuskpb.Client{Address: "127.0.0.1", UserAgent: "Browser " + strings.Repeat("я", 1016)}}
	got := b.town.last()
	if d := cmp.Diff(want, got.message, protocmp.Transform()); d != "" {
		t.Error(d)
	}
	if got.Door != web.Name || got.Authorization != "" {
		t.Errorf("the gate is asked by %q with %q", got.Door, got.Authorization)
	}
}

func TestSecondFactor(t *testing.T) {
	begin := func() (*browser, *shown) {
		b := newBrowser(t)
		s := b.send(b.open("/login?return=/account/tokens"), "/login", "login", "bob", "password", goodPassword)
		if s.path != "/login/code?return=%2Faccount%2Ftokens" {
			t.Fatalf("bob is led to %s", s.path)
		}
		if b.open("/account").path != "/login" {
			t.Error("a password alone is enough")
		}
		return b, s
	}
	b, s := begin()
	b.send(s, "/login/code", "code", "").wants(t, 400, "Type a code.")
	s = b.send(s, "/login/code", "code", "111111")
	s.wants(t, 401, `aria-invalid="true" aria-describedby="code-mistake"`, "This code is wrong. Codes change")
	b.send(s, "/login/code", "code", "999999").wants(t, 429, "Too many attempts. Try again in 40 s.")
	s = b.open("/login/code?with=recovery&return=/account/tokens")
	s = b.send(s, "/login/code", "recovery_code", "wrong")
	s.wants(t, 401, "This code is wrong, or was used before.", `href="/login/code?return=%2Faccount%2Ftokens"`)
	if s = b.send(s, "/login/code", "recovery_code", goodRecovery); s.path != "/account/tokens" {
		t.Errorf("bob is led to %s", s.path)
	}
	b, s = begin()
	if s = b.send(s, "/login/code", "code", "123 456"); s.path != "/account/tokens" {
		t.Errorf("bob is led to %s", s.path)
	}
	if s := b.open("/login/code"); s.path != "/account" { // by way of signing in
		t.Errorf("the ticket is still there: %s", s.path)
	}
	b, s = begin()
	s = b.send(s, "/login/code", "code", "000000")
	if s.wants(t, 200, "Begin again."); s.path != "/login?note=begin_again&return=%2Faccount%2Ftokens" {
		t.Errorf("after too many codes bob is led to %s", s.path)
	}
	if s := b.open("/login/code"); !strings.HasPrefix(s.path, "/login?note=begin_again") {
		t.Errorf("the ticket is still there: %s", s.path)
	}
	b, s = begin()
	clear(b.town.tickets)
	if s = b.send(s, "/login/code", "code", goodCode); s.path != "/login?note=begin_again&return=%2Faccount%2Ftokens" {
		t.Errorf("after too long a time bob is led to %s", s.path)
	}
}

func TestSignOut(t *testing.T) {
	b := newBrowser(t)
	s := b.signIn("alice")
	s = b.send(s, "/logout")
	if s.wants(t, 200, "You have signed out."); len(b.town.sessions) != 0 {
		t.Error("the session lives on")
	}
	if s := b.open("/logout"); s.path != "/login" {
		t.Errorf("one who is not signed in is led to %s", s.path)
	}
	// A session that has ended elsewhere is none.
	s = b.signIn("alice")
	clear(b.town.sessions)
	b.send(s, "/logout").wants(t, 200, "You have signed out.")
	// One that cannot be ended is not forgotten.
	s = b.signIn("alice")
	b.town.fails[propuskpb.SignInService_SignOut_FullMethodName] = iam.Errorf(iam.Unavailable, "no database")
	b.send(s, "/logout").wants(t, 503, "The server is busy")
	if b.open("/account").path != "/account" {
		t.Error("the cookie is gone, the session is not")
	}
}

// Whoever signs in where somebody is signed in takes his place: the cookie that
// the browser forgets is worth nothing to those who have copied it.
func TestSignInOverASession(t *testing.T) {
	over := func(login string, more ...string) *browser {
		t.Helper()
		b := newBrowser(t)
		proof := b.signIn("alice").form(t, "/language").Get("form_proof")
		form := url.Values{"form_proof": {proof}, "login": {login}, "password": {goodPassword}}
		s := b.post("/login", form)
		if len(more) > 0 {
			s = b.send(s, "/login/code", more...)
		}
		if s.path != "/account" || s.StatusCode != http.StatusOK {
			t.Errorf("%s is led to %s: %d", login, s.path, s.StatusCode)
		}
		if len(b.town.sessions) != 1 {
			t.Errorf("after %s has signed in there are %d sessions", login, len(b.town.sessions))
		}
		return b
	}
	over("odd")
	over("alice")
	over("bob", "code", goodCode)

	// A password that is set by a link leaves nobody signed in either.
	b := newBrowser(t)
	b.signIn("odd")
	b.send(b.open("/reset?token="+goodReset), "/reset", "new_password", "seven blue cups", "again", "seven blue cups").wants(t, 200)
	if len(b.town.sessions) != 0 {
		t.Error("the session of another person lives on without its cookie")
	}

	// A former session that cannot be ended keeps nobody out.
	b = newBrowser(t)
	proof := b.signIn("alice").form(t, "/language").Get("form_proof")
	b.town.fails[propuskpb.SignInService_SignOut_FullMethodName] = iam.Errorf(iam.Unavailable, "no database")
	if s := b.post("/login", url.Values{"form_proof": {proof}, "login": {"odd"}, "password": {goodPassword}}); s.path != "/account" {
		t.Errorf("odd is led to %s", s.path)
	}
}

// A session that has ended leads to signing in, and back.
func TestSessionEnded(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	clear(b.town.sessions)
	s := b.open("/account/tokens")
	if s.wants(t, 200, "Your session has ended."); s.path != "/login?note=ended&return=%2Faccount%2Ftokens" {
		t.Errorf("led to %s", s.path)
	}
	u, _ := url.Parse(b.server.URL)
	for _, c := range b.client.Jar.Cookies(u) {
		if strings.Contains(c.Name, "session") {
			t.Errorf("the cookie %s is still there", c.Name)
		}
	}
}

func TestReset(t *testing.T) {
	const path = "/reset?token=" + goodReset
	b := newBrowser(t)
	b.open("/reset").wants(t, 200, "This page opens from a link")
	page := b.open(path)
	b.send(page, "/reset", "new_password", "", "again", "").wants(t, 400, "Type a new password.")
	b.send(page, "/reset", "new_password", "a new password", "again", "another").wants(t, 400, "The two new passwords differ.")
	s := b.send(page, "/reset", "new_password", "short", "again", "short")
	s.wants(t, 400, "Take at least 8 characters.", `name="reset_token" value="`+goodReset+`"`)
	b.send(page, "/reset", "new_password", "something else", "again", "something else").wants(t, 400, `<span lang="en">is of a kind that pages have no words for</span>`)
	dead := b.send(b.open("/reset?token=used"), "/reset", "new_password", "a new password", "again", "a new password")
	dead.wants(t, 403, "This link does not work any more", "Ask your administrator")
	if strings.Contains(dead.text+b.open("/reset").text, `href="/forgot"`) {
		t.Error("a page leads to a link that nobody sends")
	}
	s = b.send(page, "/reset", "new_password", "a new password", "again", "a new password")
	s.wants(t, 200, "The password is set.", `value="alice"`)
}

// What goes wrong is in the log, without the form.
func TestPanicIsLogged(t *testing.T) {
	b := newBrowser(t)
	var log bytes.Buffer
	b.server.Config.Handler = pages(newDoor(t, b.town, func(c *web.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }))
	s := b.send(b.open("/login"), "/login", "login", "panics", "password", goodPassword)
	if text := log.String(); !strings.Contains(text, "a fault of a test") || !strings.Contains(text, s.Header.Get("X-Request-Id")) || strings.Contains(text, goodPassword) {
		t.Errorf("the log says %s", text)
	}
	if s.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d", s.StatusCode)
	}
}
