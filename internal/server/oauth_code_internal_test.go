package server

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

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

// Groups are told by their ids, and of the program's organization alone.
func TestGroupsAreTold(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	alice := iam.Subject{ID: iam.SubjectID(h.Dev().AliceID), Type: iam.TypeUserAccount}
	other := resource.NewIDFor(resource.Organization)
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		if err := store.InsertOrganization(tx, &iam.Organization{ID: other, Name: "elsewhere"}); err != nil {
			return err
		}
		if _, err := store.AddMember(tx, other, alice.ID); err != nil {
			return err
		}
		for id, organization := range map[string]string{"ajegroup1": h.Dev().OrganizationID, "ajegroup2": other} {
			if err := store.InsertGroup(tx, &iam.Group{ID: id, OrganizationID: organization, Name: id}); err != nil {
				return err
			}
			if _, err := store.AddGroupMember(tx, id, alice); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid groups" }))))
	must(t, out, err)
	if got := claimsIn(t, out.GetIdToken())["groups"]; !slices.Equal(got.([]any), []any{"ajegroup1"}) {
		t.Errorf("groups in the ID token: %v", got)
	}
	info, err := h.userInfo(t, out.GetAccessToken())
	if !slices.Equal(must(t, info, err).GetGroups(), []string{"ajegroup1"}) || info.GetName() != "" || info.GetEmail() != "" {
		t.Errorf("userinfo: %v", info)
	}
}
