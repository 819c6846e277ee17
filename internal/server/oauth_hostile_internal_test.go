package server

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// headerTakes tells whether a credential opens the API.
func (h *hall) headerTakes(t *testing.T, authorization string) bool {
	t.Helper()
	_, err := h.gate.Call(t.Context(), &gate.Request{Method: iampb.ServiceAccountService_List_FullMethodName, Door: "rest", Authorization: authorization,
		Decode: func(m proto.Message) error {
			proto.Merge(m, &iampb.ListServiceAccountsRequest{FolderId: h.Dev().FolderID})
			return nil
		}})
	if err != nil && iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("%v", err)
	}
	return err == nil
}

// What is limited, ended or another thing altogether is exchanged for nothing,
// and a client's own token is a person's nowhere.
func TestWhatIsExchangedForNothing(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	web := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "profile", "offline_access"} })
	limited := h.tokensOf(t, cookie, web, "openid profile offline_access")
	own := must2(h.clientToken(t, &propuskpb.ClientCredentialsGrantRequest{Client: web.proof()}))(t).GetAccessToken()
	ended := h.iamToken(t, cookie)
	if !h.headerTakes(t, "Bearer "+ended) {
		t.Fatal("alice may not even list")
	}
	derived := must2(h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: ended, SubjectTokenType: tokenType + "access_token", Audience: h.Dev().ServiceAccountID}))(t).GetAccessToken()
	_, err := h.gate.Call(t.Context(), &gate.Request{Method: iampb.IamTokenService_Revoke_FullMethodName, Door: "rest", Authorization: "Bearer " + ended,
		Decode: func(m proto.Message) error { proto.Merge(m, &iampb.RevokeIamTokenRequest{IamToken: ended}); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"a limited access token": limited.GetAccessToken(), "an ID token": limited.GetIdToken(), "a refresh token": limited.GetRefreshToken(),
		"a client's own token": own, "a cookie": cookie, "an ended IAM token": ended, "what came of an ended IAM token": derived, "a client's secret": web.secret.Reveal()} {
		for _, r := range []*propuskpb.ExchangeTokenRequest{
			{SubjectToken: text, SubjectTokenType: tokenType + "access_token", Audience: h.Dev().ServiceAccountID},
			{SubjectToken: text, SubjectTokenType: tokenType + "jwt"},
			{Client: web.proof(), SubjectToken: text, SubjectTokenType: tokenType + "access_token", Audience: h.Dev().ServiceAccountID},
		} {
			out, err := h.exchange(t, r)
			if out.GetAccessToken() != "" || iam.KindOf(err) != iam.Unauthenticated {
				t.Errorf("%s as %s: %v", what, r.GetSubjectTokenType(), err)
			}
			if err != nil && strings.Contains(err.Error(), text) {
				t.Errorf("%s is in the error", what)
			}
		}
		if h.headerTakes(t, "Bearer "+text) {
			t.Errorf("%s opens the API", what)
		}
		if what == "a limited access token" {
			continue // userinfo is what it is for
		}
		if info, err := h.userInfo(t, text); err == nil {
			t.Errorf("%s is a person at userinfo: %v", what, info.GetSub())
		}
	}
}

// Whatever ends what a token rests on, it is told of as not active, and to the
// program's neighbours alike.
func TestIntrospectionOfTheDead(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	web := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud", "offline_access"} })
	neighbour := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.ID, c.Name = "ajeneighbour", "neighbour" })
	for _, c := range []struct {
		what string
		end  func(cookie string) error
		// sessionOnly ends what rests on the session, and no refresh token
		sessionOnly bool
	}{
		{what: "signing out", sessionOnly: true, end: func(cookie string) error {
			_, err := asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie})
			return err
		}},
		{what: "forgetting the program", end: func(cookie string) error {
			_, err := asked[*propuskpb.RemoveProgramResponse](t, h, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
				&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: web.ID})
			return err
		}},
		{what: "the operator's sign-out", end: func(string) error { _, err := h.SignOutUser(t.Context(), UserSignOutRequest{User: "bob"}); return err }},
		{what: "another password", end: func(string) error {
			_, err := h.SetUserPassword(t.Context(), UserPasswordRequest{User: "bob", Password: h.password("bob")})
			return err
		}},
		{what: "a suspension", end: func(string) error {
			_, err := h.SuspendUser(t.Context(), UserSuspendRequest{User: "bob"})
			return err
		}},
		{what: "after it", end: func(cookie string) error {
			_, err := h.ReactivateUser(t.Context(), UserSuspendRequest{User: "bob"})
			return err
		}},
		{what: "leaving the organization", end: func(string) error {
			_, err := h.RemoveUser(t.Context(), UserRemoveRequest{User: "bob", Organization: h.Dev().OrganizationID})
			return err
		}},
	} {
		if c.what == "after it" {
			if err := c.end(""); err != nil {
				t.Fatal(err)
			}
			continue
		}
		cookie := h.signIn(t, "bob", h.password("bob"))
		plain, full := h.tokensOf(t, cookie, web, "openid offline_access"), h.tokensOf(t, cookie, web, "openid cloud offline_access")
		all := map[string]string{"access token": plain.GetAccessToken(), "IAM token": full.GetAccessToken(), "refresh token": plain.GetRefreshToken(), "other refresh token": full.GetRefreshToken()}
		for kind, text := range all {
			h.active(t, "before "+c.what+", the "+kind, web, text, true)
		}
		if err := c.end(cookie); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		for kind, text := range all {
			h.active(t, "after "+c.what+", the "+kind, web, text, c.sessionOnly && strings.HasSuffix(kind, "refresh token"))
			if !strings.HasSuffix(kind, "refresh token") {
				h.active(t, "after "+c.what+", to a neighbour the "+kind, neighbour, text, false)
			}
		}
	}
	own := must2(h.clientToken(t, &propuskpb.ClientCredentialsGrantRequest{Client: web.proof()}))(t).GetAccessToken()
	h.active(t, "a client's own", neighbour, own, true)
	if err := h.deleteClient(t, web.ID); err != nil {
		t.Fatal(err)
	}
	h.active(t, "the own token of a client that is gone", neighbour, own, false)
	_, err := h.introspect(t, web, own)
	reason(t, "a client that is gone", err, iam.OAuthInvalidClient)
}
