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

const (
	authorizePath = "/oauth/authorize"
	challenge     = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// asking is the address by which a program asks, as the door itself spells it.
func asking(client string, pairs ...string) string {
	q := url.Values{"client_id": {client}, "redirect_uri": {"https://app.example.com/back"}, "response_type": {"code"}, "scope": {"openid email"}, "state": {"s t&a=te"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	if a := addresses(client); len(a) > 0 {
		q.Set("redirect_uri", a[0])
	}
	for i := 0; i < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return authorizePath + "?" + q.Encode()
}

// stay keeps a browser from following redirects out of the door.
func (b *browser) stay() *browser {
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Scheme+"://"+r.URL.Host != b.server.URL {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

func newStaying(t *testing.T, login string) *browser {
	t.Helper()
	b := newBrowser(t).stay()
	if login != "" {
		b.signIn(login)
	}
	return b
}

// leads fails the test unless a page sends the browser out to an address, and
// answers with what it is sent there with.
func (s *shown) leads(t *testing.T, address string) url.Values {
	t.Helper()
	to := s.Header.Get("Location")
	if r, ok := strings.CutPrefix(s.Header.Get("Refresh"), "0;url="); ok {
		to = r
		s.wants(t, 200, "Going back")
	} else if s.StatusCode != http.StatusSeeOther {
		t.Errorf("%s is answered %d:\n%s", s.path, s.StatusCode, s.text)
	}
	rest, ok := strings.CutPrefix(to, address)
	if !ok || rest == "" || s.Header.Get("Referrer-Policy") != "no-referrer" || s.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s leads to %q, want %q", s.path, to, address)
	}
	q, err := url.ParseQuery(rest[1:])
	if err != nil {
		t.Fatal(err)
	}
	return q
}

const app = "https://app.example.com/back"

// A person who is not signed in signs in, is asked, and allows.
func TestProgramIsAllowed(t *testing.T) {
	for _, login := range []string{"alice", "bob"} {
		b := newStaying(t, "")
		page := b.open(asking(reports, "login_hint", login, "unknown", "parameter"))
		page.wants(t, 200, `value="`+login+`"`)
		page = b.send(page, "/login", "password", goodPassword)
		if login == "bob" {
			page = b.send(page, "/login/code", "code", goodCode)
		}
		address := asking(reports, "login_hint", login)
		if page.path != address {
			t.Fatalf("signing in leads to %s, want %s", page.path, address)
		}
		page.wants(t, 200, "Let this program in?", "<bdi>Reports of the Queen</bdi>", "<bdi>Wonderland</bdi>", "know who you are", "see your e-mail address <span class=\"badge\">new</span>",
			"<bdi>app.example.com</bdi>", `error=access_denied`)
		if page.Header.Get("Content-Security-Policy") != policy || page.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("headers are %v", page.Header)
		}
		q := b.send(page, address, "answer", "allow").leads(t, app)
		if q.Get("code") == "" || q.Get("state") != "s t&a=te" || q.Get("iss") == "" {
			t.Errorf("the program gets %v", q)
		}
		m := b.town.last().message.(*propuskpb.AllowAuthorizationRequest)
		if a := m.GetAuthorization(); !m.GetAsked() || a.GetCodeChallenge() != challenge || a.GetCodeChallengeMethod() != "S256" || a.GetScope() != "openid email" || m.GetClient().GetAddress() != "127.0.0.1" || m.SignedInSince != nil {
			t.Errorf("the gate is asked %v", m)
		}
	}
}

// One answer makes one code.
func TestProgramIsAllowedOnce(t *testing.T) {
	b := newStaying(t, "alice")
	first, other := b.open(asking(reports)), b.open(asking(reports, "state", "other"))
	b.send(first, asking(reports), "answer", "allow").leads(t, app)
	b.send(first, asking(reports), "answer", "allow").wants(t, 409, "You have already answered")
	b.send(b.open(asking(reports)), asking(reports), "answer", "allow", "once", "").wants(t, 409, "You have already answered")
	b.send(other, asking(reports, "state", "other"), "answer", "allow").leads(t, app) // another tab's is another
	if b.town.made != 2 {
		t.Errorf("%d codes are made", b.town.made)
	}
	if key := b.town.last().IdempotencyKey; len(key) < 22 {
		t.Errorf("the gate gets the key %q", key)
	}
	b.town.fails[propuskpb.AuthorizationService_Allow_FullMethodName] = iam.Errorf(iam.AlreadyExists, "Made before")
	b.send(b.open(asking(reports)), asking(reports), "answer", "allow").wants(t, 409, "You have already answered")
	b.send(b.open(asking(reports)), asking(reports), "answer", "perhaps").wants(t, 400, "cannot be read")
}

// What was allowed before is not asked again; somebody must be there.
func TestProgramIsAllowedBefore(t *testing.T) {
	b := newStaying(t, "alice")
	if q := b.open(asking("trusted")).leads(t, "https://app.example.com/back?tenant=1"); q.Get("code") == "" {
		t.Errorf("the program gets %v", q)
	}
	page := b.open(asking("trusted", "prompt", "select_account"))
	page.wants(t, 200, "Sign in once more")
	b.send(page, "/login", "password", goodPassword).leads(t, "https://app.example.com/back?tenant=1")
	r, _ := http.NewRequest(http.MethodGet, b.server.URL+asking("trusted"), nil)
	r.Header.Set("Sec-Purpose", "prefetch;prerender")
	b.do(r).wants(t, 200, "Let this program in?")
	r, _ = http.NewRequest(http.MethodHead, b.server.URL+asking("trusted"), nil)
	if s := b.do(r); s.StatusCode != 200 || b.town.made != 2 {
		t.Errorf("%d, %d codes", s.StatusCode, b.town.made)
	}
	if q := b.open(asking("trusted", "prompt", "none")).leads(t, "https://app.example.com/back?tenant=1"); q.Get("code") == "" {
		t.Errorf("the program gets %v", q)
	}
	if q := newStaying(t, "").open(asking("trusted", "prompt", "none")).leads(t, "https://app.example.com/back?tenant=1"); q.Get("error") != "login_required" {
		t.Errorf("the program gets %v", q)
	}
	b.town.sessions = nil // they have ended
	if q := b.open(asking("trusted", "prompt", "none")).leads(t, "https://app.example.com/back?tenant=1"); q.Get("error") != "login_required" {
		t.Errorf("the program gets %v", q)
	}
}

// Who comes by our own form goes on from a page: browsers would hold the form's
// policy to wherever the program sends him.
func TestLeavingByOurForm(t *testing.T) {
	b := newStaying(t, "alice")
	b.header.Set("Sec-Fetch-Site", "same-origin")
	s := b.send(b.open(asking(reports)), asking(reports), "answer", "allow")
	if s.leads(t, app); s.StatusCode != 200 || s.Header.Get("Content-Security-Policy") != policy {
		t.Errorf("%d %v", s.StatusCode, s.Header)
	}
	s.wants(t, 200, `href="https://app.example.com/back?code=`)
	s = b.send(b.open(asking("native")), asking("native"), "answer", "allow")
	s.leads(t, "com.example.app:/back")
	s.wants(t, 200, `href="com.example.app:/back?code=`)
}

// A link to a program nobody knows, or to somewhere else, leads nowhere.
func TestProgramRefusedHere(t *testing.T) {
	for link, says := range map[string]string{
		authorizePath:                    "This program is not known here",
		asking("nobody"):                 "This program is not known here",
		asking(reports, "client_id", ""): "This program is not known here",
		asking(reports, "redirect_uri", "https://evil.example"):                      "The way back is not the program’s",
		asking(reports, "redirect_uri", app+"/"):                                     "The way back is not the program’s",
		asking(reports, "redirect_uri", "https://app.example.com@evil.example/back"): "The way back is not the program’s",
		asking(reports, "redirect_uri", app+"#x"):                                    "The way back is not the program’s",
		asking(reports, "redirect_uri", "javascript:alert(1)"):                       "The way back is not the program’s",
		asking(reports, "redirect_uri", ""):                                          "The way back is not the program’s",
		asking(reports, "redirect_uri", "https://app.example.com%2Fback"):            "The way back is not the program’s",
		asking(reports) + "&client_id=odd":                                           "This link cannot be read",
		asking(reports) + "&redirect_uri=https%3A%2F%2Fevil.example":                 "This link cannot be read",
		asking(reports, "yc_federation_hint", "bpf0federation000001"):                "This federation is not here",
		authorizePath + "?client_id=%ff":                                             "This link cannot be read",
	} {
		for _, login := range []string{"", "alice"} {
			newStaying(t, login).open(link).wants(t, 400, says, "Request:")
		}
	}
	for _, long := range []string{asking(reports, "state", strings.Repeat("s", 16<<10)), asking(reports, "nonce", strings.Repeat("n", 1001))} {
		newStaying(t, "").open(long).wants(t, 414, "This link is too long")
	}
	newStaying(t, "alice").open(asking("closed", "state", "page")).wants(t, 403, "This program is not for you")
	newStaying(t, "").open(asking(reports, "yc_federation_hint", "")).wants(t, 200, "Sign in")
}

// What else is wrong the program is told.
func TestProgramRefusedThere(t *testing.T) {
	for link, want := range map[string]string{
		asking(reports, "response_type", "token"):                        "unsupported_response_type",
		asking(reports, "response_type", ""):                             "unsupported_response_type",
		asking(reports, "request", "eyJ"):                                "request_not_supported",
		asking(reports, "request_uri", "https://x.example", "state", ""): "request_uri_not_supported",
		asking(reports, "registration", "{}"):                            "registration_not_supported",
	} {
		if q := newStaying(t, "").open(link).leads(t, app); q.Get("error") != want {
			t.Errorf("%s: %v", link, q)
		}
	}
	if q := newStaying(t, "alice").open(asking("closed")).leads(t, app); q.Get("error") != "access_denied" {
		t.Errorf("a program that is closed to her gets %v", q)
	}
}

// The door sends nobody to where the request does not say, even if the gate does.
func TestGateSendsAstray(t *testing.T) {
	b := newStaying(t, "alice")
	s := b.send(b.open(asking(reports, "state", "astray")), asking(reports, "state", "astray"), "answer", "allow")
	s.wants(t, 500, "Something went wrong here")
	if s.Header.Get("Location")+s.Header.Get("Refresh") != "" || strings.Contains(s.text, "evil") {
		t.Errorf("%v", s.Header)
	}
}

// The gate's troubles are pages with a request id.
func TestAuthorizationTroubles(t *testing.T) {
	b := newStaying(t, "alice")
	page := b.open(asking(reports))
	for method, send := range map[string]func() *shown{
		propuskpb.AuthorizationService_Check_FullMethodName:   func() *shown { return b.open(asking(reports)) },
		propuskpb.AuthorizationService_Prepare_FullMethodName: func() *shown { return b.open(asking(reports)) },
		propuskpb.AuthorizationService_Allow_FullMethodName:   func() *shown { return b.send(page, asking(reports), "answer", "allow") },
	} {
		for err, status := range map[*iam.Error]int{iam.Errorf(iam.Internal, "secret"): 500, iam.Errorf(iam.Unavailable, "secret"): 503, iam.Errorf(iam.PermissionDenied, "secret"): 403} {
			b.town.fails[method] = err
			s := send()
			if s.wants(t, status, "11111111-2222-4333-8444-555555555555"); strings.Contains(s.text, "secret") {
				t.Errorf("the page tells too much: %s", s.text)
			}
		}
		delete(b.town.fails, method)
	}
}

// Texts that mean harm are shown, turned around by nothing but themselves.
func TestHarmfulPrograms(t *testing.T) {
	b := newStaying(t, "alice")
	const safe = `<bdi>&lt;script&gt;alert(1)&lt;/script&gt; &#34;&amp;&#39; ` + "\u202Eevil 🦊</bdi>"
	s := b.open(asking("odd", "scope", "openid <b>x</b> \u202E", "state", harm))
	s.wants(t, 200, safe, "<bdi>&lt;b&gt;x&lt;/b&gt;</bdi>", "<bdi>\u202E</bdi>")
	s2 := b.open("/account/programs?page=more")
	s2.wants(t, 200, safe)
	b.header.Set("Test-Address", "198.51.100.9")
	s3 := b.send(b.open("/device?user_code=dddddddd"), "/device")
	s3.wants(t, 200, safe, "same address as yours")
	s4 := b.open("/oauth/logout?client_id=odd")
	s4.wants(t, 200, safe)
	for _, s := range []*shown{s, s2, s3, s4} {
		if strings.Contains(s.text, "<script>alert") || strings.Contains(s.text, "<b>x") || strings.Contains(s.text, "ZgotmplZ") {
			t.Errorf("%s obeys a text:\n%s", s.path, s.text)
		}
	}
}

// What weighs most is said first, and of itself.
func TestWhatProgramsGet(t *testing.T) {
	b := newStaying(t, "alice")
	s := b.open(asking(oauthclient.PublicSDK, "scope", "openid offline_access reports.read"))
	s.wants(t, 200, "Command line and tools", "a program on this very machine", "http://127.0.0.1:42121", `<li class="strong">do everything that you may do yourself`,
		`<li class="strong">go on while you are away`, "<code><bdi>reports.read</bdi></code>")
	if strings.Index(s.text, "do everything") > strings.Index(s.text, "know who you are") {
		t.Error("full access comes late")
	}
	b.open(asking("native", "scope", "")).wants(t, 200, "It asks for nothing", "com.example.app:")
}

// A program asks for a language, on the way to its page too; a person's choice stands.
func TestLocales(t *testing.T) {
	b := newStaying(t, "")
	page := b.open(asking("native", "ui_locales", "de ru-RU en"))
	page.wants(t, 200, "Вход")
	page = b.send(page, "/login", "login", "alice", "password", goodPassword)
	page.wants(t, 200, "Разрешить доступ программе?")
	b.send(page, "/language", "language", "en").wants(t, 200, "Let this program in?")
	newStaying(t, "alice").open(asking("native", "ui_locales", "de x")).wants(t, 200, "Let this program in?")
}
