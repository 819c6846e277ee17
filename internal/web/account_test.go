package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// The token is made by the form alone, is in its answer alone, and no address,
// cookie, cache or referrer has it.
func TestConsent(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	for _, link := range []string{"/authorize?response_type=token&client_id=" + publicClient, consentPath + "&state=x&scope=&force_confirm=yes"} {
		page := b.open(link)
		page.wants(t, 200, "Allow access to your account?", "Command line and tools", "<bdi class=\"person-name\">Alice Liddell</bdi>")
		if n := len(b.town.tokens); strings.Contains(page.text, "y0_") || n == 0 || b.town.last().Method != propuskpb.AccountService_Get_FullMethodName {
			t.Error("a look at the page has made a token")
		}
	}
	s := b.send(b.open(consentPath), consentPath)
	s.wants(t, 200, oauthToken, "22 November 2027", `data-copy="token"`)
	if strings.Contains(s.text, "/language") {
		t.Error("the page that is shown once leads to itself in another language")
	}
	if s.path != consentPath || s.Header.Get("Cache-Control") != "no-store" || s.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s %v", s.path, s.Header)
	}
	for name, values := range s.Header {
		if strings.Contains(strings.Join(values, " "), oauthToken) {
			t.Errorf("%s holds the token", name)
		}
	}
	for _, path := range []string{"/account/tokens", consentPath} {
		if strings.Contains(b.open(path).text, oauthToken) {
			t.Errorf("%s shows the token again", path)
		}
	}
	var made []*propuskpb.CreatePersonOAuthTokenRequest
	for _, call := range b.town.asked {
		if m, ok := call.message.(*propuskpb.CreatePersonOAuthTokenRequest); ok {
			made = append(made, m)
		}
	}
	if len(made) != 1 || made[0].GetClientId() != publicClient || b.town.sessions[made[0].GetSession()].GetLogin() != "alice" {
		t.Errorf("the gate is asked for %v", made)
	}
}

// One consent makes one token, whether the browser reloads the page that shows it
// or goes back and sends the form again.
func TestConsentCountsOnce(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	first, second := b.open(consentPath), b.open(consentPath) // in two tabs
	b.send(first, consentPath).wants(t, 200, oauthToken)
	for _, page := range []*shown{first, second} {
		b.send(page, consentPath).wants(t, 409, "You have already allowed this")
	}
	again := b.open(consentPath)
	b.send(first, consentPath).wants(t, 409, "You have already allowed this")
	b.send(again, consentPath, "once", "").wants(t, 409, "You have already allowed this")
	if b.town.made != 1 {
		t.Errorf("%d tokens are made", b.town.made)
	}
	b.send(again, consentPath).wants(t, 200, oauthToken)
}

func TestConsentRefused(t *testing.T) {
	b := newBrowser(t)
	page := b.signIn("alice")
	proof := page.form(t, "/logout").Get("form_proof")
	for query, says := range map[string]string{
		"":                                 "Nobody is known by this name",
		"?client_id=" + publicClient:       "This cannot be asked for here",
		"?response_type=token":             "Nobody is known by this name",
		"?response_type=token&client_id=x": "Nobody is known by this name",
		"?response_type=code&client_id=" + publicClient:                                         "This cannot be asked for here",
		"?response_type=token&client_id=" + publicClient + "&redirect_uri=https://evil.example": "Tokens are not sent to other sites",
		"?response_type=token&client_id=" + publicClient + "&scope=cloud:read":                  "Scopes cannot be asked for here",
		"?response_type=token&client_id=" + publicClient + "&client_id=" + publicClient:         "cannot be read",
		"?response_type=token&client_id=" + strings.ToUpper(publicClient):                       "Nobody is known by this name",
	} {
		b.open("/authorize"+query).wants(t, 400, says)
		b.post("/authorize"+query, url.Values{"form_proof": {proof}}).wants(t, 400, says)
		// Nobody types his password for a link that leads to nothing.
		newBrowser(t).open("/authorize"+query).wants(t, 400, says)
	}
	if b.town.made != 0 {
		t.Errorf("%d tokens are made", b.town.made)
	}
	b.town.fails[propuskpb.AccountService_CreateOAuthToken_FullMethodName] = iam.InvalidField("client_id", "there is no such client")
	b.send(b.open(consentPath), consentPath).wants(t, 400, "This cannot be done", "11111111-2222-4333-8444-555555555555")
	b.town.fails[propuskpb.AccountService_CreateOAuthToken_FullMethodName] = iam.Errorf(iam.FailedPrecondition, "The account has 100")
	b.send(b.open(consentPath), consentPath).wants(t, 409, "You have too many OAuth tokens")
}

func TestSessions(t *testing.T) {
	b := newBrowser(t)
	b.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	b.signIn("alice")
	page := b.open("/account/sessions")
	page.wants(t, 200, "Chrome, Linux", "This browser", "Safari, iPhone", "203.0.113.7", "2001:db8::7", "22 November 2026, 18:47 UTC", "Unknown browser")
	s := b.send(page, "/account/sessions/end", "session_id", "aje0session000000002")
	if s.wants(t, 200, "The session has ended."); strings.Contains(s.text, "203.0.113.7") || !strings.Contains(s.text, "2001:db8::7") {
		t.Error("another session has ended")
	}
	b.send(page, "/account/sessions/end", "session_id", "aje0session000000002").wants(t, 404, "It is not there any more")
	s = b.send(s, "/account/sessions/end-others")
	if s.wants(t, 200, "All other sessions have ended.", "This browser"); strings.Contains(s.text, "end-others") || strings.Contains(s.text, "2001:db8") {
		t.Error("others are still there")
	}
}

func TestTokens(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	page := b.open("/account/tokens")
	page.wants(t, 200, "y0_AgAA****eHl6", `Made <time datetime="2026-08-14T21:47:05Z">14 August 2026</time>`, ">14 August 2027</time>", "Last used <time datetime=\"2026-11-20T21:47:05Z\">20 November 2026</time>", "Never used", consentPathEscaped)
	for _, also := range []bool{true, false} {
		id := map[bool]string{true: "aje0oauth0000000000a", false: "aje0oauth0000000000b"}[also]
		ask := b.open("/account/tokens/end?id=" + id)
		ask.wants(t, 200, "End this OAuth token?", `name="also_iam_tokens" value="yes"`)
		pairs := []string{}
		if also {
			pairs = []string{"also_iam_tokens", "yes"}
		}
		b.send(ask, "/account/tokens/end", pairs...).wants(t, 200, "The token has ended.")
		var got proto.Message
		for _, call := range b.town.asked {
			if m, ok := call.message.(*propuskpb.RevokePersonOAuthTokenRequest); ok {
				m.Session, got = "", m
			}
		}
		if d := cmp.Diff(&propuskpb.RevokePersonOAuthTokenRequest{OauthTokenId: id, AlsoIamTokens: also}, got, protocmp.Transform()); d != "" {
			t.Error(d)
		}
	}
	b.open("/account/tokens").wants(t, 200, "You have no OAuth tokens.")
	b.open("/account/tokens/end?id=aje0oauth0000000000a").wants(t, 404, "It is not there any more")
}

const consentPathEscaped = "/authorize?client_id=" + publicClient + "&amp;response_type=token"

func TestPassword(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	page := b.open("/account/password")
	change := func(old, fresh, again string) *shown {
		return b.send(page, "/account/password", "password", old, "new_password", fresh, "again", again)
	}
	change("", "", "").wants(t, 400, "Type your password.", "Type a new password.")
	change(goodPassword, "a new password", "another").wants(t, 400, "The two new passwords differ.")
	s := change("wrong", "a new password", "a new password")
	s.wants(t, 400, `id="password-mistake">This is not your password.`, `aria-describedby="password-mistake"`)
	if strings.Contains(s.text, "a new password") || strings.Contains(s.text, `"wrong"`) {
		t.Error("a password is on the page")
	}
	if n := strings.Count(s.text, " autofocus"); n != 1 {
		t.Errorf("%d fields want the cursor", n)
	}
	change(goodPassword, "short", "short").wants(t, 400, `id="new_password-mistake">Take at least 8 characters.`, `aria-describedby="new_password-mistake new_password-hint"`)
	if s := change(goodPassword, "a new password", "a new password"); s.path != "/account/password?note=password_changed" {
		t.Errorf("led to %s", s.path)
	}
	b.town.fails[propuskpb.AccountService_ChangePassword_FullMethodName] = &iam.Error{Kind: iam.ResourceExhausted, Message: "Too many attempts", RetryAfter: 1}
	change(goodPassword, "a new password", "a new password").wants(t, 429, "Try again in 1 s.")
}

func TestAuthenticatorApp(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	page := b.open("/account/second-factor")
	begin := func(password string) *shown { return b.send(page, "/account/second-factor", "password", password) }
	begin("").wants(t, 400, "Type your password.")
	begin("wrong").wants(t, 400, "This is not your password.")
	app := begin(goodPassword)
	app.wants(t, 200, "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", `href="otpauth://totp/Propusk:alice?`, "<svg class=\"qr\"")
	const confirm = "/account/second-factor/confirm"
	b.send(app, confirm, "code", "").wants(t, 400, "Type a code.", "JBSW Y3DP")
	again := b.send(app, confirm, "code", "111111")
	again.wants(t, 400, `id="code-mistake">This code is wrong.`, "JBSW Y3DP")
	for _, link := range []string{"", "https://evil.example?secret=JBSWY3DP", "javascript:alert(1)", "otpauth://hotp/x?secret=JBSWY3DP", "javascript://totp/x?secret=JBSWY3DP", "https://totp/x?secret=JBSWY3DP", "otpauth://totp/x", "otpauth://totp/x?secret=1", "otpauth://totp/x?secret=" + strings.Repeat("A", 1000)} {
		b.send(app, confirm, "code", "111111", "link", link).wants(t, 400, "This form cannot be read")
	}
	done := b.send(again, confirm, "code", goodCode)
	done.wants(t, 200, "The second factor is on. All other sessions have ended.", "<code>k7wq-3mzd-x0fa</code>", "<code>k7wq-3mzd-x9fj</code>")
	if strings.Contains(done.text, "/language") {
		t.Error("the page that is shown once leads to itself in another language")
	}
	if done.Header.Get("Cache-Control") != "no-store" {
		t.Error("recovery codes may be kept")
	}
	page = b.open("/account/second-factor")
	page.wants(t, 200, "Left: 10", "turn the app off and set it up again")
	if strings.Contains(page.text, "k7wq") {
		t.Error("recovery codes are shown again")
	}
	for _, call := range []struct{ method, action string }{
		{propuskpb.AccountService_BeginTotp_FullMethodName, "/account/second-factor"}, {propuskpb.AccountService_ConfirmTotp_FullMethodName, confirm},
		{propuskpb.AccountService_RemoveTotp_FullMethodName, "/account/second-factor/remove"},
	} {
		b.town.fails[call.method] = iam.Errorf(iam.FailedPrecondition, "not now")
		form := app.form(t, confirm)
		form.Set("code", goodCode)
		form.Set("password", goodPassword)
		b.post(call.action, form).wants(t, 200, "Look here how it stands.")
		delete(b.town.fails, call.method)
	}
	remove := b.open("/account/second-factor/remove")
	b.send(remove, "/account/second-factor/remove", "password", "").wants(t, 400, "Type your password.")
	b.send(remove, "/account/second-factor/remove", "password", "wrong").wants(t, 400, "This is not your password.")
	b.send(remove, "/account/second-factor/remove", "password", goodPassword).wants(t, 200, "The second factor is off.")
}

// The second factor is not turned on by one who would not be shown the codes.
func TestRecoveryCodesAreNotLost(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	app := b.send(b.open("/account/second-factor"), "/account/second-factor", "password", goodPassword)
	b.town.fails[propuskpb.AccountService_Get_FullMethodName] = iam.Errorf(iam.Unavailable, "busy")
	b.send(app, "/account/second-factor/confirm", "code", goodCode).wants(t, 503)
	for _, call := range b.town.asked {
		if call.Method == propuskpb.AccountService_ConfirmTotp_FullMethodName {
			t.Error("the app is on, and nobody has seen the codes")
		}
	}
}

// Whatever the gate refuses, a page says so, with the number that leads to it.
func TestGateRefuses(t *testing.T) {
	for kind, want := range map[iam.Kind]int{
		iam.Unavailable: 503, iam.DeadlineExceeded: 503, iam.Internal: 500, iam.Unimplemented: 500, iam.PermissionDenied: 403, iam.FailedPrecondition: 400,
		iam.ResourceExhausted: 429, iam.NotFound: 404, iam.Aborted: 409,
	} {
		b := newBrowser(t)
		b.signIn("alice")
		b.town.fails[propuskpb.AccountService_Get_FullMethodName] = &iam.Error{Kind: kind, Message: "not for people", RetryAfter: 3e9}
		s := b.open("/account")
		s.wants(t, want, "11111111-2222-4333-8444-555555555555")
		if strings.Contains(s.text, "not for people") || s.Header.Get("Retry-After") != "3" {
			t.Errorf("%v: %q %s", kind, s.Header.Get("Retry-After"), s.text)
		}
		if s := b.open("/login"); s.StatusCode == http.StatusOK {
			t.Errorf("%v: a person who may be signed in is asked to sign in", kind)
		}
	}
}
