package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A person sees the programs that she has let in, and removes one.
func TestPrograms(t *testing.T) {
	b := newStaying(t, "alice")
	b.open("/account").wants(t, 200, `href="/account/programs"`)
	page := b.open("/account/programs")
	page.wants(t, 200, "Command line and tools", "do everything that you may do yourself", "go on while you are away", "<bdi>Reports of the Queen</bdi>", "<bdi>Wonderland</bdi>",
		"<code><bdi>reports.read</bdi></code>", "17 November 2026", "Never used", "/account/programs?page=more", `aria-current="page">Programs`)
	b.open("/account/programs?page=more").wants(t, 200, "Last used")
	page = b.open("/account/programs/remove?id=" + reports)
	page.wants(t, 200, "Remove this program?", "<bdi>Reports of the Queen</bdi>")
	page = b.send(page, "/account/programs/remove")
	page.wants(t, 200, "The program is removed.", "Command line and tools")
	if strings.Contains(page.text, "Reports of the Queen") {
		t.Error("it is still there")
	}
	b.open("/account/programs/remove?id="+reports).wants(t, 404, "It is not there any more")
	form := b.open("/account/programs/remove?id=odd").form(t, "/account/programs/remove")
	form.Set("client_id", reports)
	b.post("/account/programs/remove", form).wants(t, 404, "It is not there any more")
	newStaying(t, "nobody").open("/account/programs").wants(t, 200, "You have let no program in.")
}

// A device is found by its code however it is typed, shown, and answered once.
func TestDevice(t *testing.T) {
	for answer, says := range map[string]string{"allow": "The device is let in", "deny": "The device is not let in"} {
		b := newStaying(t, "")
		page := b.open("/device?user_code=bcdf+ghjk")
		page = b.send(page, "/login", "login", "alice", "password", goodPassword)
		page.wants(t, 200, "Let a device in", `value="bcdf ghjk"`)
		if page.path != "/device?user_code=bcdf+ghjk" || b.town.last().Method == propuskpb.DeviceService_Find_FullMethodName {
			t.Errorf("%s: a code is sent by itself", page.path)
		}
		page = b.send(page, "/device")
		page.wants(t, 200, "Go on only if you have just started this yourself", "BCDF-GHJK", "Command line and tools", "yc/0.141.0 linux/amd64", "203.0.113.7", "21:46 UTC",
			"do everything that you may do yourself", "go on while you are away", "Alice Liddell")
		if strings.Contains(page.text, "same address") || len(b.town.decided) != 0 {
			t.Error("it is near, or answered")
		}
		b.send(page, "/device", "answer", answer).wants(t, 200, says)
		if got, ok := b.town.decided["BCDF-GHJK"]; !ok || got != (answer == "allow") {
			t.Errorf("%s: decided %v", answer, b.town.decided)
		}
		b.send(page, "/device", "answer", answer).wants(t, 400, "No device waits with this code")
	}
}

func TestDeviceRefused(t *testing.T) {
	b := newStaying(t, "alice")
	page := b.open("/device")
	for code, want := range map[string]struct {
		status int
		says   string
	}{
		"": {400, "Type the code."}, "ZZZZ-ZZZZ": {400, `id="user_code-mistake">No device waits`}, "too many": {429, "Too many attempts. Try again in 60 s."},
		"closed": {403, "This program is not for you"}, harm: {400, "&lt;script&gt;alert(1)"}, "bcdfghjk": {200, "Let this device in?"},
	} {
		s := b.send(page, "/device", "user_code", code)
		if s.wants(t, want.status, want.says); strings.Contains(s.text, "<script>alert") {
			t.Errorf("%q becomes a script", code)
		}
	}
	b.send(page, "/device", "user_code", "BCDFGHJK", "answer", "perhaps").wants(t, 400, "cannot be read")
	b.open("/device?user_code=a&user_code=b").wants(t, 400, "This link cannot be read")
	b.town.fails[propuskpb.DeviceService_Decide_FullMethodName] = iam.Errorf(iam.Internal, "secret")
	b.send(page, "/device", "user_code", "BCDFGHJK", "answer", "allow").wants(t, 500, "Something went wrong here")
	b.post("/device", url.Values{"user_code": {"BCDFGHJK"}, "answer": {"allow"}}).wants(t, 403, "out of date")
	if len(b.town.decided) != 0 {
		t.Errorf("%v", b.town.decided)
	}
}

const signOutLink = "/oauth/logout?client_id=" + reports + "&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2Fback&state=s%26t"

// A program has a person signed out, who is asked first and goes back to it.
func TestProgramSignsOut(t *testing.T) {
	b := newStaying(t, "alice")
	page := b.open(signOutLink)
	page.wants(t, 200, "Sign out?", "<bdi>Reports of the Queen</bdi>")
	if len(b.town.sessions) != 1 {
		t.Error("the session has ended by a link")
	}
	s := b.send(page, signOutLink)
	if q := s.leads(t, app); q.Get("state") != "s&t" || len(b.town.sessions) != 0 {
		t.Errorf("%v, %d sessions", q, len(b.town.sessions))
	}
	if s := b.open("/account"); !strings.HasPrefix(s.path, "/login") {
		t.Errorf("the browser is at %s", s.path)
	}
	b.open(signOutLink).leads(t, app) // nobody is there to be asked
	b.open("/oauth/logout").wants(t, 200, "You have signed out.")

	b = newStaying(t, "alice")
	b.send(b.open("/oauth/logout"), "/oauth/logout").wants(t, 200, "You have signed out.")
	b = newStaying(t, "alice")
	b.town.sessions = map[string]*propuskpb.Account{} // it has ended elsewhere
	b.open(signOutLink).leads(t, app)
	b = newStaying(t, "alice")
	b.header.Set("Sec-Fetch-Site", "same-origin")
	b.send(b.open(signOutLink), signOutLink).wants(t, 200, "Going back", `href="https://app.example.com/back?state=s%26t"`)
}

func TestProgramSignsOutRefused(t *testing.T) {
	for _, to := range []string{"https://evil.example", "//evil.example", "javascript:alert(1)", app + "/", app + "?x", "https://app.example.com@evil.example/back"} {
		for _, login := range []string{"", "alice"} {
			b := newStaying(t, login)
			link := "/oauth/logout?client_id=" + reports + "&post_logout_redirect_uri=" + url.QueryEscape(to)
			b.open(link).wants(t, 400, "This link cannot sign you out")
			if login != "" && len(b.town.sessions) != 1 {
				t.Errorf("%s ends the session", to)
			}
		}
	}
	b := newStaying(t, "alice")
	page := b.open(signOutLink)
	form := page.form(t, signOutLink)
	b.header.Set("Sec-Fetch-Site", "cross-site")
	r, _ := http.NewRequest(http.MethodPost, b.server.URL+signOutLink, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.do(r).wants(t, 403, "another site")
	// A program's form does what its link does.
	u, _ := url.Parse(signOutLink)
	r, _ = http.NewRequest(http.MethodPost, b.server.URL+"/oauth/logout", strings.NewReader(u.RawQuery))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s := b.do(r); s.path != signOutLink || len(b.town.sessions) != 1 {
		t.Errorf("%s: %d", s.path, s.StatusCode)
	}
	b.open("/oauth/logout?id_token_hint="+strings.Repeat("x", 13<<10)).wants(t, 414, "This link is too long")
}

// Names of the built-in program are told apart from those that pretend to be it.
func TestWhoseProgram(t *testing.T) {
	b := newStaying(t, "alice")
	b.open(asking(oauthclient.PublicSDK)).wants(t, 200, "Comes with this server")
	if s := b.open(asking("odd")); strings.Contains(s.text, "Comes with this server") || !strings.Contains(s.text, "From the organization") {
		t.Error("a program pretends to be the server's own")
	}
}
