package server

import (
	"testing"

	"google.golang.org/protobuf/proto"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// What a program gets to know a person by opens no door of the cloud, and an ID
// token is no access token.
func TestProgramsTokensAreTakenNowhereElse(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	out := must2(h.redeem(t, p.redeems(h.code(t, cookie, p.asks()))))(t)
	// They are good where they should be.
	must2(h.userInfo(t, out.GetAccessToken()))(t)
	_, err := h.userInfo(t, out.GetIdToken())
	reason(t, "the ID token at userinfo", err, "invalid_token")
	call := func(method, door, header string, m proto.Message) error {
		_, err := h.gate.Call(t.Context(), &gate.Request{Method: method, Door: door, Authorization: header, RemoteAddr: "192.0.2.8",
			Decode: func(into proto.Message) error { proto.Merge(into, m); return nil }})
		return err
	}
	for what, text := range map[string]string{"the access token": out.GetAccessToken(), "the ID token": out.GetIdToken()} {
		for _, door := range []string{"grpc", "rest"} {
			if call(iampb.ServiceAccountService_List_FullMethodName, door, "Bearer "+text, &iampb.ListServiceAccountsRequest{FolderId: h.Dev().FolderID}) == nil {
				t.Errorf("%s in the header of %s", what, door)
			}
			for _, m := range []*iampb.CreateIamTokenRequest{
				{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: text}}, {Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: text}}} {
				if call(iampb.IamTokenService_Create_FullMethodName, door, "", m) == nil {
					t.Errorf("%s makes an IAM token at %s: %T", what, door, m.GetIdentity())
				}
			}
		}
		for _, typ := range []string{"urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token",
			"urn:ietf:params:oauth:token-type:refresh_token"} {
			for _, audience := range []string{"", h.Dev().ServiceAccountID} {
				if _, err := h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: text, SubjectTokenType: typ, Audience: audience}); err == nil {
					t.Errorf("%s is exchanged as %s for %q", what, typ, audience)
				}
			}
		}
		for name, m := range map[string]*propuskpb.RefreshTokenGrantRequest{"a refresh token": {Client: p.proof(), RefreshToken: text}} {
			if _, err := told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName, m); err == nil {
				t.Errorf("%s is %s", what, name)
			}
		}
		if _, err := h.redeem(t, p.redeems(text)); err == nil {
			t.Errorf("%s is a code", what)
		}
		if _, err := h.account(t, text); err == nil {
			t.Errorf("%s is a cookie", what)
		}
	}
	// The same call with what is right.
	if err := call(iampb.ServiceAccountService_List_FullMethodName, "grpc", "Bearer "+h.iamToken(t, cookie), &iampb.ListServiceAccountsRequest{FolderId: h.Dev().FolderID}); err != nil {
		t.Errorf("an IAM token: %v", err)
	}
}
