package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func (h *hall) clientToken(t *testing.T, r *propuskpb.ClientCredentialsGrantRequest) (*propuskpb.OAuthTokenResponse, error) {
	t.Helper()
	return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_ClientCredentials_FullMethodName, r)
}

func (h *hall) introspect(t *testing.T, p *program, text string) (*propuskpb.IntrospectTokenResponse, error) {
	t.Helper()
	return told[*propuskpb.IntrospectTokenResponse](t, h, propuskpb.OAuthService_Introspect_FullMethodName,
		&propuskpb.IntrospectTokenRequest{Client: p.proof(), Token: text})
}

func (h *hall) giveBack(t *testing.T, p *program, text string) error {
	t.Helper()
	_, err := told[*propuskpb.RevokeOAuthGrantResponse](t, h, propuskpb.OAuthService_Revoke_FullMethodName,
		&propuskpb.RevokeOAuthGrantRequest{Client: p.proof(), Token: text})
	return err
}

func (h *hall) active(t *testing.T, what string, p *program, text string, want bool) *propuskpb.IntrospectTokenResponse {
	t.Helper()
	out, err := h.introspect(t, p, text)
	if err != nil || out.GetActive() != want {
		t.Errorf("%s: active %v, want %v; %v", what, out.GetActive(), want, err)
	}
	if !want && (out.GetClientId() != "" || out.GetSubjectId() != "" || out.GetExpiresAt() != nil || out.GetScope() != "") {
		t.Errorf("%s: too much is told of what is not active: %v", what, out)
	}
	return out
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	own := []string{"orders.read", "orders.write", "openid", "cloud"}
	web := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = own })
	native := h.program(t, oauthclient.Native)
	out := must2(h.clientToken(t, &propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Scope: "orders.write", Resource: "https://orders.example/api"}))(t)
	c := claimsIn(t, out.GetAccessToken())
	for k, want := range map[string]any{"iss": "https://id.example", "sub": web.ID, "client_id": web.ID, "aud": "https://orders.example/api", "scope": "orders.write", "grant_id": nil} {
		if c[k] != want {
			t.Errorf("%s is %v, want %v", k, c[k], want)
		}
	}
	if out.GetExpiresIn() < 3599 || out.GetExpiresIn() > 3600 || out.GetScope() != "orders.write" || out.GetIdToken() != "" || out.GetRefreshToken() != "" {
		t.Errorf("%d s, scope %q", out.GetExpiresIn(), out.GetScope())
	}
	got := h.active(t, "its own", web, out.GetAccessToken(), true)
	if got.GetSubjectId() != web.ID || got.GetSubjectType() != "" || got.GetAudience() != "https://orders.example/api" || got.GetScope() != "orders.write" || got.GetUsername() != "" {
		t.Errorf("told of it: %v", got)
	}
	plain := must2(h.clientToken(t, &propuskpb.ClientCredentialsGrantRequest{Client: web.proof()}))(t)
	if c := claimsIn(t, plain.GetAccessToken()); c["aud"] != "https://id.example" || c["scope"] != nil || plain.GetScope() != "" {
		t.Errorf("without more: %v", c)
	}
	_, err := h.userInfo(t, plain.GetAccessToken())
	reason(t, "at userinfo", err, iam.OAuthInsufficientScope)
	refused(t, "given back", h.giveBack(t, web, plain.GetAccessToken()), iam.InvalidArgument, iam.OAuthUnsupportedTokenType)

	wrong := web.proof()
	wrong.ClientSecret = native.ID
	for what, r := range map[string]struct {
		r    *propuskpb.ClientCredentialsGrantRequest
		code string
	}{
		"a public client":       {&propuskpb.ClientCredentialsGrantRequest{Client: native.proof()}, iam.OAuthUnauthorizedClient},
		"the built-in one":      {&propuskpb.ClientCredentialsGrantRequest{Client: sdk().proof()}, iam.OAuthUnauthorizedClient},
		"a wrong secret":        {&propuskpb.ClientCredentialsGrantRequest{Client: wrong}, iam.OAuthInvalidClient},
		"without its secret":    {&propuskpb.ClientCredentialsGrantRequest{Client: &propuskpb.OAuthClientProof{ClientId: web.ID, Method: propuskpb.OAuthClientProof_NONE}}, iam.OAuthInvalidClient},
		"a scope of others":     {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Scope: "bills"}, iam.OAuthInvalidScope},
		"a person's scope":      {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Scope: "orders.read openid"}, iam.OAuthInvalidScope},
		"full access":           {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Scope: "cloud"}, iam.OAuthInvalidScope},
		"a relative resource":   {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Resource: "/api"}, iam.OAuthInvalidTarget},
		"a resource's fragment": {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Resource: "https://orders.example/#"}, iam.OAuthInvalidTarget},
		"a resource with user":  {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Resource: "https://me@orders.example/"}, iam.OAuthInvalidTarget},
		"a resource with space": {&propuskpb.ClientCredentialsGrantRequest{Client: web.proof(), Resource: "https://orders.example/ a"}, iam.OAuthInvalidTarget},
	} {
		_, err := h.clientToken(t, r.r)
		reason(t, what, err, r.code)
	}
	log := h.events(t)
	for _, part := range []string{"propusk.CreateClientAccessToken", `"oauth_client_secret_id"`, `"jti":"` + c["jti"].(string)} {
		if !strings.Contains(log, part) {
			t.Errorf("no %s in the audit log", part)
		}
	}
	// It rests on the secret that it was got by.
	err = h.db.Update(t.Context(), func(tx *store.Tx) error {
		return store.DeleteOAuthClientSecret(tx, "ajesecret"+web.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	other := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.ID, c.Name = "ajeother", "other" })
	h.active(t, "after its secret", other, out.GetAccessToken(), false)
}

// tokensOf lets alice allow a program, and is what it gets.
func (h *hall) tokensOf(t *testing.T, cookie string, p *program, scope string) *propuskpb.OAuthTokenResponse {
	t.Helper()
	return must2(h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope })))))(t)
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	web := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "profile", "offline_access"} })
	cloud := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) {
		c.ID, c.Name, c.Scopes = "ajecloud", "cloud", []string{"openid", "cloud", "offline_access"}
	})
	away := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.ID, c.Name, c.FolderID = "ajeaway", "away", h.elsewhere(t) })
	native := h.program(t, oauthclient.Native)

	access, full := h.tokensOf(t, cookie, web, "openid profile offline_access"), h.tokensOf(t, cookie, cloud, "openid cloud")
	got := h.active(t, "an access token", web, access.GetAccessToken(), true)
	if got.GetClientId() != web.ID || got.GetSubjectId() != h.Dev().AliceID || got.GetSubjectType() != "userAccount" || got.GetUsername() != "alice" ||
		got.GetScope() != "openid profile offline_access" || got.GetIssuer() != "https://id.example" || got.GetTokenId() == "" || got.GetTokenType() != "Bearer" {
		t.Errorf("an access token: %v", got)
	}
	if got := h.active(t, "that of a neighbour", cloud, access.GetAccessToken(), true); got.GetClientId() != web.ID {
		t.Errorf("that of a neighbour: %v", got)
	}
	got = h.active(t, "an IAM token", web, full.GetAccessToken(), true)
	if got.GetClientId() != cloud.ID || got.GetSubjectId() != h.Dev().AliceID || got.GetUsername() != "" || got.GetScope() != "openid cloud" ||
		got.GetExpiresAt().AsTime().Sub(got.GetIssuedAt().AsTime()) > 12*time.Hour {
		t.Errorf("an IAM token: %v", got)
	}
	if access.GetRefreshToken() == "" {
		t.Fatal("no refresh token")
	}
	if got = h.active(t, "a refresh token", web, access.GetRefreshToken(), true); got.GetTokenType() != "" || got.GetSubjectId() != h.Dev().AliceID {
		t.Errorf("a refresh token: %v", got)
	}
	h.active(t, "a neighbour's refresh token", cloud, access.GetRefreshToken(), false)
	for what, text := range map[string]string{
		"an ID token": access.GetIdToken(), "an IAM token of nobody's program": h.iamToken(t, cookie), "an OAuth token": h.Dev().oauth.Reveal(),
		"a cookie": cookie, "nothing": "x", "a cut IAM token": full.GetAccessToken()[:200], "a cut access token": access.GetAccessToken()[:200],
		"a cut refresh token": access.GetRefreshToken()[:200], "a JWT of elsewhere": h.robotJWT(t),
		"what was made of an IAM token": must2(h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: full.GetAccessToken(), SubjectTokenType: tokenType + "access_token",
			Audience: h.Dev().ServiceAccountID}))(t).GetAccessToken(),
	} {
		h.active(t, what, web, text, false)
	}
	for what, text := range map[string]string{"access token": access.GetAccessToken(), "IAM token": full.GetAccessToken(), "refresh token": access.GetRefreshToken()} {
		h.active(t, "another organization's "+what, away, text, false)
		_, err := h.introspect(t, native, text)
		reason(t, "a public client and an "+what, err, iam.OAuthUnauthorizedClient)
	}
	wrong := *web
	wrong.secret = away.secret
	_, err := h.introspect(t, &wrong, access.GetAccessToken())
	reason(t, "another's secret", err, iam.OAuthInvalidClient)
	h.advance(time.Hour)
	h.active(t, "an expired access token", web, access.GetAccessToken(), false)
	h.active(t, "the refresh token still", web, access.GetRefreshToken(), true)
}

// elsewhere is a folder of another organization, of which alice is a member too.
func (h *hall) elsewhere(t *testing.T) string {
	t.Helper()
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		for _, err := range []error{
			store.InsertOrganization(tx, &iam.Organization{ID: "bpfaway", Name: "away", CreatedAt: tx.Now()}),
			store.InsertCloud(tx, &iam.Cloud{ID: "b1gaway", OrganizationID: "bpfaway", Name: "away", CreatedAt: tx.Now()}),
			store.InsertFolder(tx, &iam.Folder{ID: "b1gawayfolder", CloudID: "b1gaway", Name: "away", CreatedAt: tx.Now()}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return "b1gawayfolder"
}

func TestTokensAreGivenBack(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	web := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "offline_access"} })
	cloud := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) {
		c.ID, c.Name, c.Scopes = "ajecloud", "cloud", []string{"openid", "cloud", "offline_access"}
	})
	cli := sdk()
	cli.RedirectURIs = []string{"http://127.0.0.1:34567/auth/callback"}

	one, two := h.tokensOf(t, cookie, web, "openid offline_access"), h.tokensOf(t, cookie, web, "openid offline_access")
	for what, text := range map[string]string{"nothing": "x", "another's access token": one.GetAccessToken(), "another's refresh token": one.GetRefreshToken(),
		"an ID token": one.GetIdToken(), "a person's own IAM token": h.iamToken(t, cookie), "a refresh token's form": grant.NewRefreshToken().Secret.Reveal()} {
		if err := h.giveBack(t, cloud, text); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.active(t, "another program gave it back", web, one.GetAccessToken(), true)
	if strings.Contains(h.events(t), "RevokeProgramToken") {
		t.Error("what does nothing leaves a line")
	}
	for range 2 { // twice is no mistake
		if err := h.giveBack(t, web, one.GetRefreshToken()); err != nil {
			t.Error(err)
		}
	}
	h.active(t, "after its refresh token", web, one.GetAccessToken(), false)
	h.active(t, "the refresh token", web, one.GetRefreshToken(), false)
	h.active(t, "another time that he allowed it", web, two.GetAccessToken(), true)
	if err := h.giveBack(t, web, two.GetAccessToken()); err != nil {
		t.Error(err)
	}
	h.active(t, "the access token's refresh token", web, two.GetRefreshToken(), false)

	full := h.tokensOf(t, cookie, cloud, "openid cloud offline_access")
	if err := h.giveBack(t, cloud, full.GetAccessToken()); err != nil {
		t.Error(err)
	}
	if _, err := h.revoked.Verify(full.GetAccessToken()); err == nil {
		t.Error("an IAM token that was given back lives")
	}
	h.active(t, "its refresh token", cloud, full.GetRefreshToken(), true) // an IAM token ends alone
	sdks := must2(h.redeem(t, cli.redeems(h.code(t, cookie, cli.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" })))))(t)
	if err := h.giveBack(t, cli, sdks.GetRefreshToken()); err != nil || sdks.GetRefreshToken() == "" {
		t.Errorf("a public client's: %v", err)
	}
	if _, err := h.revoked.Verify(sdks.GetAccessToken()); err == nil {
		t.Error("an IAM token outlives its grant")
	}
	wrong := *web
	wrong.secret = cloud.secret
	reason(t, "a wrong secret", h.giveBack(t, &wrong, full.GetRefreshToken()), iam.OAuthInvalidClient)
	if n := strings.Count(h.events(t), "propusk.RevokeProgramToken"); n != 5 { // four, and the wrong secret
		t.Errorf("%d lines", n)
	}
}

// posted sends a form to an endpoint as a program does.
func (h *hall) posted(t *testing.T, path string, p *program, form url.Values) (int, map[string]any) {
	t.Helper()
	if p != nil && p.secret.Reveal() == "" {
		form.Set("client_id", p.ID)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.HTTPAddr()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p != nil && p.secret.Reveal() != "" {
		r.SetBasicAuth(url.QueryEscape(p.ID), url.QueryEscape(p.secret.Reveal()))
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	out := map[string]any{}
	if err != nil || len(text) > 0 && json.Unmarshal(text, &out) != nil {
		t.Fatalf("%s: %v, %d bytes", path, err, len(text))
	}
	if w.Header.Get("Cache-Control") != "no-store" || w.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: headers %v", path, w.Header)
	}
	return w.StatusCode, out
}

// The same from outside, in the protocol's own words.
func TestGrantsOverHTTP(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	web, cli := h.program(t, oauthclient.Web), sdk()
	status, begun := h.posted(t, "/oauth/device/code", cli, url.Values{"scope": {"openid"}})
	if status != 200 || begun["interval"] != 5.0 || begun["expires_in"] != 600.0 || begun["verification_uri"] != "https://id.example/device" {
		t.Fatalf("%d", status)
	}
	code := begun["device_code"].(string)
	poll := func() (int, map[string]any) {
		return h.posted(t, "/oauth/token", cli, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {code}})
	}
	wrong := func(what string, status int, out map[string]any, wantStatus int, want string) {
		t.Helper()
		if status != wantStatus || out["error"] != want || out["error_description"] == nil {
			t.Errorf("%s: %d %v %v, want %d %s", what, status, out["error"], out["error_description"], wantStatus, want)
		}
	}
	status, out := poll()
	wrong("pending", status, out, 400, "authorization_pending")
	status, out = poll()
	wrong("too early", status, out, 400, "slow_down")
	if err := h.decideDevice(t, h.alice(t), begun["user_code"].(string), true); err != nil {
		t.Fatal(err)
	}
	status, out = poll()
	access, _ := out["access_token"].(string)
	if status != 200 || !strings.HasPrefix(access, "t1.") || out["token_type"] != "Bearer" || out["expires_in"].(float64) <= 0 {
		t.Fatalf("%d %v", status, out["error"])
	}
	status, out = poll()
	wrong("used", status, out, 400, "invalid_grant")

	exchange := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {access}, "subject_token_type": {tokenType + "access_token"}}
	status, out = h.posted(t, "/oauth/token", nil, exchange)
	wrong("no audience", status, out, 400, "invalid_request")
	exchange.Set("audience", h.Dev().ServiceAccountID)
	status, out = h.posted(t, "/oauth/token", nil, exchange)
	if _, scoped := out["scope"]; status != 200 || scoped || out["issued_token_type"] != tokenType+"access_token" {
		t.Errorf("exchanged: %d %v", status, out["error"])
	}
	exchange.Set("audience", "ajenothing")
	status, out = h.posted(t, "/oauth/token", nil, exchange)
	wrong("no such account", status, out, 400, "invalid_target")

	status, out = h.posted(t, "/oauth/token", web, url.Values{"grant_type": {"client_credentials"}})
	own, _ := out["access_token"].(string)
	if status != 200 || own == "" {
		t.Fatalf("client credentials: %d %v", status, out["error"])
	}
	status, out = h.posted(t, "/oauth/token", cli, url.Values{"grant_type": {"client_credentials"}})
	wrong("a public client", status, out, 400, "unauthorized_client")
	if status, out = h.posted(t, "/oauth/introspect", web, url.Values{"token": {own}}); status != 200 || out["active"] != true || out["sub"] != web.ID || out["client_id"] != web.ID {
		t.Errorf("introspected: %d %v", status, out)
	}
	if status, out = h.posted(t, "/oauth/introspect", web, url.Values{"token": {access}}); status != 200 || len(out) != 1 || out["active"] != false {
		t.Errorf("everybody's program: %d %v", status, out)
	}
	status, out = h.posted(t, "/oauth/introspect", cli, url.Values{"token": {own}})
	wrong("introspected by a public client", status, out, 400, "unauthorized_client")
	if status, out = h.posted(t, "/oauth/revoke", cli, url.Values{"token": {access}}); status != 200 || len(out) != 0 {
		t.Errorf("given back: %d %v", status, out)
	}
	if _, err := h.revoked.Verify(access); err == nil {
		t.Error("it lives")
	}
	status, out = h.posted(t, "/oauth/revoke", web, url.Values{"token": {own}})
	wrong("a client's own", status, out, 400, "unsupported_token_type")
}
