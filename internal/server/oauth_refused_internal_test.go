package server

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func TestRefusedAuthorizations(t *testing.T) {
	h := openHall(t)
	p, native := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.PKCERequired = false }), h.program(t, oauthclient.Native, func(c *iam.OAuthClient) {
		c.RedirectURIs = append(c.RedirectURIs, "http://127.0.0.1/back")
	})
	listed := h.program(t, oauthclient.SPA, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud"} })
	check := func(a *propuskpb.Authorization) (*propuskpb.CheckAuthorizationResponse, error) {
		return asked[*propuskpb.CheckAuthorizationResponse](t, h, propuskpb.AuthorizationService_Check_FullMethodName, &propuskpb.CheckAuthorizationRequest{Authorization: a})
	}
	for _, bad := range []struct{ field, client, uri string }{
		{"client_id", "", "https://app.example/back"}, {"client_id", "ajenobody", "https://app.example/back"},
		{"redirect_uri", p.ID, ""}, {"redirect_uri", p.ID, "https://evil.example/back"}, {"redirect_uri", p.ID, "https://app.example:8443/back"},
		{"redirect_uri", p.ID, "https://app.example/back/"}, {"redirect_uri", p.ID, "https://app.example/back#x"}, {"redirect_uri", p.ID, "https://app.example/back?x=1"},
		{"redirect_uri", p.ID, "https://me@app.example/back"}, {"redirect_uri", p.ID, "https://app.example%2fback"}, {"redirect_uri", p.ID, "https://app.example/%62ack"},
		{"redirect_uri", p.ID, "http://app.example/back"}, {"redirect_uri", p.ID, "//app.example/back"}, {"redirect_uri", p.ID, "https://app.example\\@evil.example/back"},
		{"redirect_uri", p.ID, "javascript:alert(1)"}, {"redirect_uri", native.ID, "http://127.0.0.2:5000/back"}, {"redirect_uri", native.ID, "http://127.0.0.1:5000/other"},
	} {
		_, err := check(&propuskpb.Authorization{ClientId: bad.client, RedirectUri: bad.uri, ResponseType: "code", State: "x"})
		refused(t, bad.client+" at "+bad.uri, err, iam.InvalidArgument, bad.field)
	}
	if _, err := check(native.asks(func(a *propuskpb.Authorization) { a.RedirectUri = "http://127.0.0.1:5000/back" })); err != nil {
		t.Errorf("any port of this machine: %v", err)
	}
	type change = func(a *propuskpb.Authorization)
	for what, c := range map[string]struct {
		program *program
		change  change
		code    string
	}{
		"no response type":            {p, func(a *propuskpb.Authorization) { a.ResponseType = "" }, "invalid_request"},
		"token":                       {p, func(a *propuskpb.Authorization) { a.ResponseType = "token" }, "unsupported_response_type"},
		"hybrid":                      {p, func(a *propuskpb.Authorization) { a.ResponseType = "code id_token" }, "unsupported_response_type"},
		"fragment":                    {p, func(a *propuskpb.Authorization) { a.ResponseMode = "fragment" }, "invalid_request"},
		"request object":              {p, func(a *propuskpb.Authorization) { a.Unsupported = []string{"request"} }, "request_not_supported"},
		"request URI":                 {p, func(a *propuskpb.Authorization) { a.Unsupported = []string{"request_uri"} }, "request_uri_not_supported"},
		"registration":                {p, func(a *propuskpb.Authorization) { a.Unsupported = []string{"registration"} }, "registration_not_supported"},
		"unknown scope":               {p, func(a *propuskpb.Authorization) { a.Scope = "openid everything" }, "invalid_scope"},
		"cloud without being listed":  {p, func(a *propuskpb.Authorization) { a.Scope = "openid cloud" }, "invalid_scope"},
		"a scope beside the list":     {listed, func(a *propuskpb.Authorization) { a.Scope = "openid email" }, "invalid_scope"},
		"a scope with a quote":        {p, func(a *propuskpb.Authorization) { a.Scope = `openid "` }, "invalid_scope"},
		"plain":                       {p, func(a *propuskpb.Authorization) { a.CodeChallengeMethod = "plain" }, "invalid_request"},
		"no method, which is plain":   {p, func(a *propuskpb.Authorization) { a.CodeChallengeMethod = "" }, "invalid_request"},
		"method without challenge":    {p, func(a *propuskpb.Authorization) { a.CodeChallenge = "" }, "invalid_request"},
		"a short challenge":           {p, func(a *propuskpb.Authorization) { a.CodeChallenge = "abc" }, "invalid_request"},
		"spare bits in the challenge": {p, func(a *propuskpb.Authorization) { a.CodeChallenge = strings.Repeat("A", 42) + "B" }, "invalid_request"},
		"a public one without PKCE":   {native, func(a *propuskpb.Authorization) { a.CodeChallenge, a.CodeChallengeMethod = "", "" }, "invalid_request"},
		"nothing ties the answer": {p, func(a *propuskpb.Authorization) {
			a.CodeChallenge, a.CodeChallengeMethod, a.State, a.Nonce = "", "", "", ""
		}, "invalid_request"},
		"none with login":     {p, func(a *propuskpb.Authorization) { a.Prompt = "none login" }, "invalid_request"},
		"an unknown prompt":   {p, func(a *propuskpb.Authorization) { a.Prompt = "create" }, "invalid_request"},
		"a negative max_age":  {p, func(a *propuskpb.Authorization) { a.MaxAge = "-1" }, "invalid_request"},
		"a huge max_age":      {p, func(a *propuskpb.Authorization) { a.MaxAge = "99999999999" }, "invalid_request"},
		"a broken thumbprint": {p, func(a *propuskpb.Authorization) { a.DpopJkt = "x" }, "invalid_request"},
	} {
		a := c.program.asks(c.change)
		r, err := check(a)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		v := query(t, r.GetRefusalLocation())
		if v.Get("error") != c.code || v.Get("state") != a.GetState() || v.Get("iss") != "https://id.example" || v.Get("error_description") == "" || v.Has("code") {
			t.Errorf("%s: %v, want %s", what, v, c.code)
		}
	}
	kept, err := check(p.asks(func(a *propuskpb.Authorization) {
		a.RedirectUri, a.Prompt = "https://app.example/back?tenant=1", "none"
	}))
	if v := query(t, must(t, kept, err).GetLoginRequiredLocation()); v.Get("tenant") != "1" || v.Get("error") != "login_required" {
		t.Errorf("the query of a redirect URI: %v", v)
	}
}

func TestPrompts(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	h.code(t, cookie, p.asks())
	next := func(what string, since time.Time, want propuskpb.PrepareAuthorizationResponse_Next, code string, change func(a *propuskpb.Authorization)) {
		t.Helper()
		m := &propuskpb.PrepareAuthorizationRequest{Session: cookie, Authorization: p.asks(change)}
		if !since.IsZero() {
			m.SignedInSince = timestamppb.New(since)
		}
		r, err := asked[*propuskpb.PrepareAuthorizationResponse](t, h, propuskpb.AuthorizationService_Prepare_FullMethodName, m)
		if err != nil || r.GetNext() != want || query(t, r.GetRefusalLocation()).Get("error") != code {
			t.Errorf("%s: %v, %v; want %v %s", what, r, err, want, code)
		}
	}
	const (
		again, ask, allowed = propuskpb.PrepareAuthorizationResponse_SIGN_IN, propuskpb.PrepareAuthorizationResponse_ASK, propuskpb.PrepareAuthorizationResponse_ALLOWED
		refuse              = propuskpb.PrepareAuthorizationResponse_REFUSED
	)
	prompt := func(text string) func(a *propuskpb.Authorization) {
		return func(a *propuskpb.Authorization) { a.Prompt = text }
	}
	age := func(text, prompt string) func(a *propuskpb.Authorization) {
		return func(a *propuskpb.Authorization) { a.MaxAge, a.Prompt = text, prompt }
	}
	began := h.clock().Add(-time.Second)
	next("none", time.Time{}, allowed, "", prompt("none"))
	next("none for more", time.Time{}, refuse, "consent_required", func(a *propuskpb.Authorization) { a.Prompt, a.Scope = "none", "openid groups" })
	next("consent", time.Time{}, ask, "", prompt("consent"))
	next("login", time.Time{}, again, "", prompt("login"))
	next("another account", time.Time{}, again, "", prompt("select_account"))
	next("login, and he has", began, allowed, "", prompt("login"))
	next("login, and he has not", h.clock().Add(time.Minute), again, "", prompt("login"))
	next("young enough", time.Time{}, allowed, "", age("60", ""))
	h.advance(2 * time.Minute)
	next("too old", time.Time{}, again, "", age("60", ""))
	next("too old to be asked nothing", time.Time{}, refuse, "login_required", age("60", "none"))
	next("at once, and he has", began, allowed, "", age("0", ""))
	h.advance(time.Hour)
	next("he had, an hour ago", began, again, "", age("0", ""))
	if v, err := h.allow(t, cookie, p.asks(prompt("login")), true); err != nil || v.Get("error") != "login_required" || v.Has("code") {
		t.Errorf("allowing without signing in again: %v, %v", v, err)
	}
}

func TestBadRedemptions(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	other := h.program(t, oauthclient.SPA)
	code := h.code(t, cookie, p.asks())
	loose := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.ID, c.Name, c.PKCERequired = "ajeloose", "loose", false })
	without := h.code(t, cookie, loose.asks(func(a *propuskpb.Authorization) { a.CodeChallenge, a.CodeChallengeMethod = "", "" }))
	type change = func(r *propuskpb.RedeemCodeRequest)
	for what, c := range map[string]struct {
		of     *program
		change change
		want   string
	}{
		"no code":                   {p, func(r *propuskpb.RedeemCodeRequest) { r.Code = "" }, "invalid_grant"},
		"a cut code":                {p, func(r *propuskpb.RedeemCodeRequest) { r.Code = code[:20] }, "invalid_grant"},
		"an unknown code":           {p, func(r *propuskpb.RedeemCodeRequest) { r.Code = "ac1." + strings.Repeat("A", 43) }, "invalid_grant"},
		"another's code":            {other, func(r *propuskpb.RedeemCodeRequest) { r.Code = code }, "invalid_grant"},
		"no redirect URI":           {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.RedirectUri = code, "" }, "invalid_grant"},
		"another redirect URI":      {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.RedirectUri = code, p.RedirectURIs[1] }, "invalid_grant"},
		"no verifier":               {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.CodeVerifier = code, "" }, "invalid_grant"},
		"another verifier":          {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.CodeVerifier = code, strings.Repeat("a", 43) }, "invalid_grant"},
		"the challenge as verifier": {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.CodeVerifier = code, grant.Challenge(verifier) }, "invalid_grant"},
		"a verifier for nothing":    {loose, func(r *propuskpb.RedeemCodeRequest) { r.Code = without }, "invalid_grant"},
		"a wrong secret":            {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.Client.ClientSecret = code, "yccs__x" }, "invalid_client"},
		"another's secret":          {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.Client.ClientSecret = code, loose.secret.Reveal() }, "invalid_client"},
		"no secret": {p, func(r *propuskpb.RedeemCodeRequest) {
			r.Code, r.Client = code, &propuskpb.OAuthClientProof{ClientId: p.ID, Method: propuskpb.OAuthClientProof_NONE}
		}, "invalid_client"},
		"a secret of a public one": {other, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.Client.ClientSecret = code, "x" }, "invalid_client"},
		"an unknown client":        {p, func(r *propuskpb.RedeemCodeRequest) { r.Code, r.Client.ClientId = code, "ajenobody" }, "invalid_client"},
		"a broken proof of a key": {p, func(r *propuskpb.RedeemCodeRequest) {
			r.Code, r.Dpop = code, &propuskpb.DPoPProof{Jwt: "x", Method: "POST", Url: "https://id.example/oauth/token"}
		}, "invalid_dpop_proof"},
	} {
		r := c.of.redeems("")
		c.change(r)
		_, err := h.redeem(t, r)
		reason(t, what, err, c.want)
	}
	bound := h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.DpopJkt = strings.Repeat("A", 43) }))
	_, err := h.redeem(t, p.redeems(bound))
	reason(t, "without the key's proof", err, "invalid_grant")
	if _, err := h.redeem(t, p.redeems(code)); err != nil {
		t.Errorf("after all that: %v", err)
	}
	late := h.code(t, cookie, p.asks())
	h.advance(grant.CodeLife)
	_, err = h.redeem(t, p.redeems(late))
	reason(t, "an expired code", err, "invalid_grant")
	gone := h.code(t, cookie, p.asks())
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	_, err = h.redeem(t, p.redeems(gone))
	reason(t, "a code of a session that is over", err, "invalid_grant")
}
