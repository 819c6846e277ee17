package web_test

import (
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/web"
)

// newStation is a browser in front of a door with providers.
func newStation(t *testing.T) *browser {
	t.Helper()
	b := newBrowser(t)
	s := httptest.NewTLSServer(pages(newDoor(t, b.town, func(c *web.Config) {
		c.Providers = []web.Provider{{ID: "one", Title: harm}, {ID: "away", Title: "Away"}}
	})))
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.server, b.client = s, s.Client()
	b.client.Jar = jar
	return b
}

// leaves checks a page that sends a browser to the provider.
func (s *shown) leaves(t *testing.T) {
	t.Helper()
	if got := s.Header.Get("Refresh"); s.StatusCode != 200 || got != "0;url="+providerAddress || !strings.Contains(s.text, `href="https://provider.example/authorize?x=y&amp;state=us1.state"`) {
		t.Fatalf("%d, Refresh %q\n%s", s.StatusCode, got, s.text)
	}
	if p := s.Header.Get("Content-Security-Policy"); !strings.Contains(p, "form-action 'self';") {
		t.Errorf("forms may lead elsewhere: %s", p)
	}
}

func TestSignInElsewhere(t *testing.T) {
	b := newStation(t)
	page := b.open("/login?return=%2Faccount%2Ftokens")
	page.wants(t, 200, "Or continue with", `name="provider" value="one"`)
	if strings.Contains(page.text, "<script>alert") {
		t.Error("a title is not escaped")
	}
	b.send(page, "/login/to", "provider", "one").leaves(t)
	if s := b.open("/login/from/one?code=alice&state=us1.state&scope=x&prompt=none"); s.path != "/account/tokens" || s.StatusCode != 200 {
		t.Fatalf("led to %s: %d", s.path, s.StatusCode)
	}
	if s := b.open("/login/from/one?code=alice&state=us1.state"); !strings.HasPrefix(s.path, "/account") { // its cookie is gone
		t.Errorf("led to %s", s.path)
	}
}

func TestSignInElsewhereFails(t *testing.T) {
	for query, want := range map[string]struct {
		path, text string
		status     int
	}{
		"code=alice&state=another":                       {"/login?note=journey_ended", "Begin again", 200},
		"error=provider_declined&state=us1.state":        {"/login?note=provider_declined", "Nothing has been done", 200},
		"code=account_suspended&state=us1.state":         {"", "suspended", 403},
		"code=account_unconnected&state=us1.state":       {"", "No account here is connected", 403},
		"code=account_unconnected_email&state=us1.state": {"", "not connected yet", 403},
		"code=provider_answer&state=us1.state":           {"", "has not proved who you are", 403},
		"code=provider_domain&state=us1.state":           {"", "may not sign in here", 403},
		"code=provider_stale&state=us1.state":            {"", "were not asked there", 403},
		"code=provider_away&state=us1.state":             {"", "does not answer", 503},
		"code=provider_unknown&state=us1.state":          {"", "no such page", 404},
		"state=us1.state&state=us1.state":                {"", "cannot be read", 400},
	} {
		b := newStation(t)
		b.send(b.open("/login"), "/login/to", "provider", "one").leaves(t)
		s := b.open("/login/from/one?" + query)
		s.wants(t, want.status, want.text)
		if strings.Contains(s.text, "us1.state") || strings.Contains(s.text, "code=") {
			t.Errorf("%s: the page repeats what came back:\n%s", query, s.text)
		}
		if want.path != "" && s.path != want.path || strings.Contains(s.text, "evil") && !strings.Contains(s.text, harm[len(harm)-9:]) {
			t.Errorf("%s: led to %s\n%s", query, s.path, s.text)
		}
	}
	b := newStation(t)
	b.send(b.open("/login"), "/login/to", "provider", "away").wants(t, 503, "does not answer")
	b.post("/login/to", map[string][]string{"provider": {"one"}}).wants(t, 403, "out of date") // a form of nobody's
	if s := b.open("/login/to"); s.path != "/login" {
		t.Errorf("led to %s", s.path)
	}
	for _, path := range []string{"/login/from/", "/login/from/One", "/login/from/one/two", "/login/from/%6fne", "/login/from/" + strings.Repeat("x", 33)} {
		b.open(path).wants(t, 404)
	}
}

// A person who has to prove himself now is not let in by a session elsewhere.
func TestSignInElsewhereAnew(t *testing.T) {
	anew := func(s *shown) bool { t.Helper(); return strings.HasSuffix(s.Header.Get("Refresh"), "&prompt=login") }
	b := newStation(t)
	for back, want := range map[string]bool{
		"/account": false, asking(reports): false, asking(reports, "prompt", "consent"): false, "/account?prompt=login": false, "https://evil.example/?prompt=login": false,
		asking(reports, "prompt", "login"): true, asking(reports, "prompt", "consent login"): true, asking(reports, "prompt", "select_account"): true, asking(reports, "max_age", "300"): true, asking(reports, "max_age", "0"): true,
	} {
		page := b.open("/login?" + url.Values{"return": {back}}.Encode())
		if s := b.send(page, "/login/to", "provider", "one"); anew(s) != want {
			t.Errorf("for %s he is sent to %s", back, s.Header.Get("Refresh"))
		}
	}
	b.signIn("alice")
	if s := b.send(b.open("/login?again=yes"), "/login/to", "provider", "one"); !anew(s) {
		t.Errorf("who was asked to sign in again is sent to %s", s.Header.Get("Refresh"))
	}
}

func TestConnections(t *testing.T) {
	b := newStation(t)
	b.signIn("alice").wants(t, 200, `href="/account/connections"`)
	page := b.open("/account/connections")
	page.wants(t, 200, "alice@one.example", "https://gone.example", "not offered any more", `value="two"`)
	b.send(page, "/account/connections", "provider", "two", "password", "not hers").wants(t, 400, "Connect another account")
	b.send(page, "/account/connections", "provider", "two", "password", goodPassword).leaves(t)
	b.open("/login/from/two?code=x&state=us1.state").wants(t, 200, "The account is connected")
	b.send(page, "/account/connections", "provider", "two", "password", goodPassword).leaves(t)
	b.open("/login/from/two?code=taken&state=us1.state").wants(t, 409, "It is connected already")
	b.send(page, "/account/connections", "provider", "away", "password", goodPassword).wants(t, 503, "does not answer")

	b.open("/account/connections/remove?id=x").wants(t, 404)
	page = b.open("/account/connections/remove?id=https://one.example")
	b.send(page, "/account/connections/remove", "password", "not hers").wants(t, 400, "Disconnect this account?")
	b.send(page, "/account/connections/remove", "password", goodPassword).wants(t, 200, "The account is disconnected")
	page = b.open("/account/connections/remove?id=https://gone.example")
	b.send(page, "/account/connections/remove", "password", goodPassword).wants(t, 409, "only way to sign in")
}

// Without providers nothing tells of them.
func TestNoProviders(t *testing.T) {
	b := newBrowser(t)
	if s := b.open("/login"); strings.Contains(s.text, "/login/to") {
		t.Error("the sign-in page offers another site")
	}
	if s := b.signIn("alice"); strings.Contains(s.text, "/account/connections") {
		t.Error("the account tells of connections")
	}
}
