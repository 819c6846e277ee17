package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// told calls a method as the door of OAuth's endpoints does.
func told[M proto.Message](t *testing.T, h *hall, method string, m proto.Message) (M, error) {
	t.Helper()
	out, err := h.gate.Call(t.Context(), &gate.Request{Method: method, Door: "oauth", RemoteAddr: "192.0.2.8", UserAgent: "program/1",
		Decode: func(into proto.Message) error { proto.Merge(into, m); return nil }})
	if err != nil {
		var none M
		return none, err
	}
	return out.Message.(M), nil
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636, appendix B

// program is a registered client with a secret, if its profile has one.
type program struct {
	iam.OAuthClient
	secret iam.Secret
}

func (h *hall) program(t *testing.T, profile string, change ...func(*iam.OAuthClient)) *program {
	t.Helper()
	p := &program{OAuthClient: iam.OAuthClient{ID: "ajeprogram" + profile, FolderID: h.Dev().FolderID, Name: "program-" + profile, ProfileID: profile,
		RedirectURIs: []string{"https://app.example/back", "https://app.example/back?tenant=1"}, PKCERequired: true,
		PostLogoutRedirectURIs: []string{"https://app.example/bye"}, AuthenticationMethods: []string{oauthclient.NoSecret}}}
	if profile == oauthclient.Web {
		p.AuthenticationMethods = []string{oauthclient.SecretBasic, oauthclient.SecretPost}
	}
	for _, c := range change {
		c(&p.OAuthClient)
	}
	secret, row := credential.NewOAuthClientSecret()
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		if err := store.InsertOAuthClient(tx, &p.OAuthClient); err != nil || profile != oauthclient.Web {
			return err
		}
		row.ID, row.OAuthClientID, row.CreatedAt = "ajesecret"+p.ID, p.ID, tx.Now()
		p.secret = secret
		return store.InsertOAuthClientSecret(tx, row)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *program) asks(change ...func(*propuskpb.Authorization)) *propuskpb.Authorization {
	a := &propuskpb.Authorization{ClientId: p.ID, RedirectUri: p.RedirectURIs[0], ResponseType: "code", Scope: "openid profile email", State: "s+/ &=é",
		Nonce: "n-1", CodeChallenge: grant.Challenge(verifier), CodeChallengeMethod: "S256"}
	for _, c := range change {
		c(a)
	}
	return a
}

func (p *program) proof() *propuskpb.OAuthClientProof {
	if p.secret.Reveal() == "" {
		return &propuskpb.OAuthClientProof{ClientId: p.ID, Method: propuskpb.OAuthClientProof_NONE}
	}
	return &propuskpb.OAuthClientProof{ClientId: p.ID, ClientSecret: p.secret.Reveal(), Method: propuskpb.OAuthClientProof_BASIC}
}

func (p *program) redeems(code string) *propuskpb.RedeemCodeRequest {
	return &propuskpb.RedeemCodeRequest{Client: p.proof(), Code: code, RedirectUri: p.RedirectURIs[0], CodeVerifier: verifier, ClientInstanceInfo: "app/2\x07"}
}

func (h *hall) prepare(t *testing.T, cookie string, a *propuskpb.Authorization) (*propuskpb.PrepareAuthorizationResponse, error) {
	t.Helper()
	return asked[*propuskpb.PrepareAuthorizationResponse](t, h, propuskpb.AuthorizationService_Prepare_FullMethodName,
		&propuskpb.PrepareAuthorizationRequest{Session: cookie, Authorization: a})
}

func (h *hall) allow(t *testing.T, cookie string, a *propuskpb.Authorization, yes bool) (url.Values, error) {
	t.Helper()
	r, err := asked[*propuskpb.AllowAuthorizationResponse](t, h, propuskpb.AuthorizationService_Allow_FullMethodName,
		&propuskpb.AllowAuthorizationRequest{Session: cookie, Authorization: a, Asked: yes, Client: here})
	if err != nil {
		return nil, err
	}
	return query(t, r.GetLocation()), nil
}

func query(t *testing.T, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// code is one that a person has allowed.
func (h *hall) code(t *testing.T, cookie string, a *propuskpb.Authorization) string {
	t.Helper()
	v, err := h.allow(t, cookie, a, true)
	if err != nil || v.Get("code") == "" {
		t.Fatalf("allowed: %s, %v", v.Get("error"), err)
	}
	return v.Get("code")
}

func (h *hall) redeem(t *testing.T, r *propuskpb.RedeemCodeRequest) (*propuskpb.OAuthTokenResponse, error) {
	t.Helper()
	return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_RedeemCode_FullMethodName, r)
}

func (h *hall) userInfo(t *testing.T, token string) (*propuskpb.GetUserInfoResponse, error) {
	t.Helper()
	return told[*propuskpb.GetUserInfoResponse](t, h, propuskpb.OAuthService_GetUserInfo_FullMethodName, &propuskpb.GetUserInfoRequest{AccessToken: token})
}

func claimsIn(t *testing.T, jwt string) map[string]any {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("a text of %d parts is no JWT", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var out map[string]any
	if err != nil || json.Unmarshal(text, &out) != nil {
		t.Fatalf("claims %s", text)
	}
	return out
}

func reason(t *testing.T, what string, err error, want string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestCodeFlow(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	a := p.asks()
	check, err := asked[*propuskpb.CheckAuthorizationResponse](t, h, propuskpb.AuthorizationService_Check_FullMethodName, &propuskpb.CheckAuthorizationRequest{Authorization: a})
	must(t, check, err)
	if g := check.GetProgram(); check.GetRefusalLocation() != "" || g.GetName() != p.Name || g.GetOrganizationName() == "" || g.GetRedirectOrigin() != "https://app.example" || g.GetOnThisMachine() {
		t.Errorf("check: %v", check)
	}
	ready, err := h.prepare(t, cookie, a)
	must(t, ready, err)
	if ready.GetNext() != propuskpb.PrepareAuthorizationResponse_ASK || !slices.Equal(ready.GetNewScopes(), []string{"openid", "profile", "email"}) || ready.GetFullAccess() || ready.GetOffline() {
		t.Errorf("prepare: %v", ready)
	}
	if v := query(t, ready.GetDeniedLocation()); v.Get("error") != "access_denied" || v.Get("state") != a.State || v.Get("iss") != "https://id.example" {
		t.Errorf("denied: %v", v)
	}
	if v, err := h.allow(t, cookie, a, false); err != nil || v.Get("error") != "consent_required" {
		t.Errorf("not asked: %v, %v", v, err)
	}
	answer, err := h.allow(t, cookie, a, true)
	if err != nil || answer.Get("state") != a.State || answer.Get("iss") != "https://id.example" || len(answer) != 3 {
		t.Fatalf("allowed: %d values, %v", len(answer), err)
	}
	out, err := h.redeem(t, p.redeems(answer.Get("code")))
	must(t, out, err)
	if out.GetTokenType() != "Bearer" || out.GetExpiresIn() != 3600 || out.GetScope() != "openid profile email" || out.GetRefreshToken() != "" {
		t.Errorf("answer: %s for %d s, scope %q", out.GetTokenType(), out.GetExpiresIn(), out.GetScope())
	}
	h.checkTokens(t, p, out)
	ready, err = h.prepare(t, cookie, a)
	if must(t, ready, err).GetNext() != propuskpb.PrepareAuthorizationResponse_ALLOWED || len(ready.GetNewScopes()) != 0 {
		t.Errorf("again: %v", ready)
	}
	more := p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid groups offline_access" })
	ready, err = h.prepare(t, cookie, more)
	if must(t, ready, err).GetNext() != propuskpb.PrepareAuthorizationResponse_ASK || !slices.Equal(ready.GetNewScopes(), []string{"groups", "offline_access"}) || !ready.GetOffline() {
		t.Errorf("more: %v", ready)
	}
	for _, part := range []string{"propusk.AllowProgram", `"oauth_grant_id"`, `"client_id":"` + p.ID, "iam.CreateIamToken"} {
		if !strings.Contains(h.events(t), part) {
			t.Errorf("no %s in the audit log", part)
		}
	}
	for _, secret := range []string{answer.Get("code"), out.GetAccessToken(), out.GetIdToken(), verifier, p.secret.Reveal()} {
		if strings.Contains(h.events(t), secret) {
			t.Error("a secret is in the audit log")
		}
	}
}

func (h *hall) checkTokens(t *testing.T, p *program, out *propuskpb.OAuthTokenResponse) {
	t.Helper()
	alice := h.Dev().AliceID
	id, access := claimsIn(t, out.GetIdToken()), claimsIn(t, out.GetAccessToken())
	for k, want := range map[string]any{"iss": "https://id.example", "sub": alice, "aud": p.ID, "azp": p.ID, "nonce": "n-1", "preferred_username": "alice"} {
		if id[k] != want {
			t.Errorf("%s in the ID token: %v, want %v", k, id[k], want)
		}
	}
	for _, k := range []string{"exp", "iat", "auth_time", "at_hash", "sid", "email_verified", "email"} {
		if id[k] == nil {
			t.Errorf("no %s in the ID token: %v", k, id)
		}
	}
	if id["groups"] != nil || id["scope"] != nil {
		t.Errorf("too much in the ID token: %v", id)
	}
	for k, want := range map[string]any{"iss": "https://id.example", "sub": alice, "aud": "https://id.example", "client_id": p.ID, "scope": "openid profile email"} {
		if access[k] != want {
			t.Errorf("%s in the access token: %v, want %v", k, access[k], want)
		}
	}
	info, err := h.userInfo(t, out.GetAccessToken())
	if must(t, info, err).GetSub() != alice || info.GetPreferredUsername() != "alice" || info.GetEmail() == "" || !info.GetEmailVerified() || info.GetSubjectType() != "userAccount" {
		t.Errorf("userinfo: %v", info)
	}
	// Neither is an IAM token, and an ID token is no access token.
	for _, text := range []string{out.GetAccessToken(), out.GetIdToken()} {
		if _, err := h.gate.Call(t.Context(), &gate.Request{Method: "/yandex.cloud.iam.v1.ServiceAccountService/List", Door: "grpc", Authorization: "Bearer " + text,
			Decode: func(proto.Message) error { return nil }}); iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("a JWT as an IAM token: %v", err)
		}
	}
	_, err = h.userInfo(t, out.GetIdToken())
	reason(t, "an ID token at userinfo", err, "invalid_token")
	_, err = h.userInfo(t, "t1.nothing")
	reason(t, "a broken IAM token at userinfo", err, "invalid_token")
}

func TestFullAccessIsAnIAMToken(t *testing.T) {
	h := openHall(t)
	cookie := h.alice(t)
	cli := &program{OAuthClient: *oauthclient.Builtin(oauthclient.PublicSDK)}
	cli.RedirectURIs = []string{"http://127.0.0.1:34567/auth/callback"}
	a := cli.asks(func(a *propuskpb.Authorization) { a.Scope, a.State, a.Nonce = "openid", "", "" })
	ready, err := h.prepare(t, cookie, a)
	if must(t, ready, err).GetNext() != propuskpb.PrepareAuthorizationResponse_ASK || !ready.GetFullAccess() {
		t.Errorf("prepare: %v", ready)
	}
	out, err := h.redeem(t, cli.redeems(h.code(t, cookie, a)))
	if !strings.HasPrefix(must(t, out, err).GetAccessToken(), "t1.") || claimsIn(t, out.GetIdToken())["nonce"] != nil {
		t.Error("the answer of a program with full access is another")
	}
	info, err := h.userInfo(t, out.GetAccessToken())
	if must(t, info, err).GetSub() != h.Dev().AliceID || info.GetName() == "" || info.GetEmail() == "" {
		t.Errorf("userinfo: %v", info)
	}
	if ready, err = h.prepare(t, cookie, a); must(t, ready, err).GetNext() != propuskpb.PrepareAuthorizationResponse_ASK {
		t.Errorf("a native program is asked about each time: %v", ready)
	}
	if !grant.RefreshTokenForm(out.GetRefreshToken()) {
		t.Error("no refresh token, where the organization allows them")
	}
	// Its IAM token ends with the session that it was allowed in.
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	_, err = h.userInfo(t, out.GetAccessToken())
	reason(t, "after signing out", err, "invalid_token")
}

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
	reason(t, "without the key's proof", err, "invalid_dpop_proof")
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

func TestASecondUseEndsTheGrant(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud"} }), h.alice(t)
	for _, scope := range []string{"openid", "openid cloud"} {
		code := h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope }))
		out, err := h.redeem(t, p.redeems(code))
		must(t, out, err)
		if _, err := h.userInfo(t, out.GetAccessToken()); err != nil {
			t.Fatal(err)
		}
		_, err = h.redeem(t, p.redeems(code))
		reason(t, "a second use", err, "invalid_grant")
		_, err = h.userInfo(t, out.GetAccessToken())
		reason(t, "what came of the first", err, "invalid_token")
	}
	if got := strings.Count(h.events(t), "propusk.EndGrant"); got != 2 {
		t.Errorf("%d lines of ended grants", got)
	}
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	for round := range 5 {
		code := h.code(t, cookie, p.asks())
		const at = 6
		var wg sync.WaitGroup
		var outs [at]*propuskpb.OAuthTokenResponse
		var errs [at]error
		for i := range at {
			wg.Go(func() { outs[i], errs[i] = h.redeem(t, p.redeems(code)) })
		}
		wg.Wait()
		won := 0
		for i := range at {
			if errs[i] != nil {
				reason(t, fmt.Sprintf("round %d", round), errs[i], "invalid_grant")
				continue
			}
			won++
			_, err := h.userInfo(t, outs[i].GetAccessToken())
			reason(t, "the winner's token, after others came", err, "invalid_token")
		}
		if won != 1 {
			t.Errorf("round %d: redeemed %d times", round, won)
		}
	}
}

func TestWhatEndsGrants(t *testing.T) {
	h := openHall(t)
	p := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud"} })
	for what, end := range map[string]func(cookie string) error{
		"the operator's sign-out": func(string) error { _, err := h.SignOutUser(t.Context(), UserSignOutRequest{User: "bob"}); return err },
		"another password": func(string) error {
			_, err := h.SetUserPassword(t.Context(), UserPasswordRequest{User: "bob", Password: h.password("bob")})
			return err
		},
		"a suspension": func(string) error {
			if _, err := h.SuspendUser(t.Context(), UserSuspendRequest{User: "bob"}); err != nil {
				return err
			}
			_, err := h.ReactivateUser(t.Context(), UserSuspendRequest{User: "bob"})
			return err
		},
		"forgetting the program": func(cookie string) error {
			_, err := asked[*propuskpb.RemoveProgramResponse](t, h, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
				&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: p.ID})
			return err
		},
	} {
		cookie := h.signIn(t, "bob", h.password("bob"))
		var tokens []string
		for _, scope := range []string{"openid", "openid cloud"} {
			out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope }))))
			tokens = append(tokens, must(t, out, err).GetAccessToken())
		}
		if err := end(cookie); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, text := range tokens {
			_, err := h.userInfo(t, text)
			reason(t, "after "+what, err, "invalid_token")
		}
	}
	h.leavingEndsGrants(t, p)
}

// leavingEndsGrants: who is no member of the program's organization cannot use it.
func (h *hall) leavingEndsGrants(t *testing.T, p *program) {
	t.Helper()
	cookie := h.signIn(t, "bob", h.password("bob"))
	var tokens []string
	for _, scope := range []string{"openid", "openid cloud"} {
		out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope }))))
		tokens = append(tokens, must(t, out, err).GetAccessToken())
	}
	if _, err := h.RemoveUser(t.Context(), UserRemoveRequest{User: "bob", Organization: h.Dev().OrganizationID}); err != nil {
		t.Fatal(err)
	}
	for _, text := range tokens {
		_, err := h.userInfo(t, text)
		reason(t, "after leaving", err, "invalid_token")
	}
	r, err := h.prepare(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }))
	if must(t, r, err).GetNext() != propuskpb.PrepareAuthorizationResponse_REFUSED || query(t, r.GetRefusalLocation()).Get("error") != "access_denied" {
		t.Errorf("a stranger: %v", r)
	}
	if v, err := h.allow(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }), true); err != nil || v.Get("error") != "access_denied" {
		t.Errorf("a stranger who allows: %v, %v", v, err)
	}
}

func TestPrograms(t *testing.T) {
	h := openHall(t)
	p, q, cookie := h.program(t, oauthclient.Web), h.program(t, oauthclient.SPA), h.alice(t)
	list := func() []*propuskpb.AllowedProgram {
		t.Helper()
		var all []*propuskpb.AllowedProgram
		for m := (&propuskpb.ListProgramsRequest{Session: cookie, PageSize: 1}); ; {
			r, err := asked[*propuskpb.ListProgramsResponse](t, h, propuskpb.AuthorizationService_ListPrograms_FullMethodName, m)
			all = append(all, must(t, r, err).GetPrograms()...)
			if m.PageToken = r.GetNextPageToken(); m.PageToken == "" {
				return all
			}
		}
	}
	remove := func(id string) error {
		_, err := asked[*propuskpb.RemoveProgramResponse](t, h, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
			&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: id})
		return err
	}
	if err := remove(p.ID); iam.KindOf(err) != iam.NotFound {
		t.Errorf("removing what is not there: %v", err)
	}
	h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }))
	h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "email" }))
	h.code(t, cookie, q.asks())
	all := list()
	if len(all) != 2 || all[1].GetProgram().GetClientId() != p.ID || !slices.Equal(all[1].GetScopes(), []string{"openid", "email"}) ||
		all[0].GetProgram().GetOrganizationId() != h.Dev().OrganizationID || all[0].GetAllowedAt() == nil {
		t.Errorf("programs: %v", all)
	}
	if err := remove(p.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := h.prepare(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" })); must(t, r, err).GetNext() != propuskpb.PrepareAuthorizationResponse_ASK {
		t.Errorf("forgotten: %v", r)
	}
	if err := h.deleteClient(t, q.ID); err != nil {
		t.Fatal(err)
	}
	if all := list(); len(all) != 0 {
		t.Errorf("programs of a client that is gone: %v", all)
	}
}

func (h *hall) deleteClient(t *testing.T, id string) error {
	t.Helper()
	return h.db.Update(t.Context(), func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, id) })
}

func TestSignOutTarget(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	other := h.program(t, oauthclient.SPA)
	out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks())))
	hint := must(t, out, err).GetIdToken()
	h.advance(3 * time.Hour) // hints may be old
	target := func(client, hint, uri, state string) (*propuskpb.SignOutTargetResponse, error) {
		return asked[*propuskpb.SignOutTargetResponse](t, h, propuskpb.AuthorizationService_SignOutTarget_FullMethodName,
			&propuskpb.SignOutTargetRequest{ClientId: client, IdTokenHint: hint, PostLogoutRedirectUri: uri, State: state})
	}
	const bye = "https://app.example/bye"
	for _, c := range []struct{ client, hint, state, location string }{
		{p.ID, "", "", bye}, {"", hint, "", bye}, {p.ID, hint, "a b", bye + "?state=a+b"}, {"", "", "x", ""}, {"", hint[:len(hint)-4] + "AAAA", "", ""}, {"", out.GetAccessToken(), "", ""},
	} {
		if r, err := target(c.client, c.hint, bye, c.state); err != nil || r.GetLocation() != c.location {
			t.Errorf("%+v: %v, %v", c, r, err)
		}
	}
	for _, uri := range []string{"https://app.example/bye/", "https://app.example/back", "https://evil.example/bye", "//evil.example", bye + "?x=1"} {
		_, err := target(p.ID, "", uri, "")
		refused(t, uri, err, iam.InvalidArgument, "post_logout_redirect_uri")
	}
	_, err = target(other.ID, hint, bye, "")
	refused(t, "another's hint", err, iam.InvalidArgument, "client_id")
	_, err = target("ajenobody", "", bye, "")
	refused(t, "an unknown client", err, iam.InvalidArgument, "client_id")
}
