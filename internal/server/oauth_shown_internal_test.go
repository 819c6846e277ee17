package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// A service asks over gRPC whose a cookie or a refresh token is. It hears of people
// who may act alone, and of nothing that proves nobody without its program.
func TestServicesAskWhoseItIs(t *testing.T) {
	t.Parallel()
	h := openHall(t, func(c *Config) { c.AccessListen = "127.0.0.1:0" })
	conn, err := grpc.NewClient(h.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(what string, r *accesspb.AuthenticateRequest, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		out, err := accesspb.NewAccessServiceClient(conn).Authenticate(ctx, r)
		if got := out.GetSubject().GetUserAccount().GetId(); got != want || want == "" && status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %q, want %q; %v", what, got, want, err)
		}
		if shown := r.GetIamCookie() + r.GetRefreshToken(); err != nil && len(shown) > 20 && strings.Contains(err.Error(), shown[:20]) {
			t.Errorf("%s: the answer quotes it", what)
		}
	}
	cookie := func(what, text, want string) {
		t.Helper()
		ask(what, &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_IamCookie{IamCookie: text}}, want)
	}
	refresh := func(what, text, want string) {
		t.Helper()
		ask(what, &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_RefreshToken{RefreshToken: text}}, want)
	}
	alice, bob := h.userID(t, "alice"), h.userID(t, "bob")
	hers, his := h.alice(t), h.signIn(t, "bob", h.password("bob"))
	herToken, hisToken := h.plantRefreshToken(t, "alice"), h.plantRefreshToken(t, "bob")
	cookie("a cookie", hers, alice)
	cookie("another's", his, bob)
	cookie("a refresh token as a cookie", herToken, "")
	cookie("nothing", "", "")
	refresh("a refresh token", herToken, alice)
	refresh("a cookie as one", hers, "")
	refresh("one of nobody", grant.NewRefreshToken().Secret.Reveal(), "")

	cloud := func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud", "offline_access"} }
	native, web := h.program(t, oauthclient.Native, cloud), h.program(t, oauthclient.Web, cloud)
	of := func(p *program, scopes ...string) string {
		return h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.ClientID, g.Scopes = p.ID, scopes })
	}
	full := of(native, "openid", "cloud")
	eventually(t, func() bool { _, err := h.refreshProof().Shown(t.Context(), full); return err == nil })
	refresh("of a program that may do all", full, alice)
	refresh("of one that may not", of(native, "openid"), "")
	h.active(t, "to its own program", web, of(web, "openid", "cloud"), true)
	refresh("of one that has a secret", of(web, "openid", "cloud"), "")
	refresh("of one that is gone", of(&program{OAuthClient: iam.OAuthClient{ID: "ajegone"}}, "openid", "cloud"), "")
	refresh("bound to a key", h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.KeyThumbprint = strings.Repeat("A", 43) }), "")

	if _, err := h.SuspendUser(t.Context(), UserSuspendRequest{User: "bob"}); err != nil {
		t.Fatal(err)
	}
	cookie("of a suspended person", his, "")
	refresh("of a suspended person", hisToken, "")
	refresh("made for a suspended person", h.plantRefreshToken(t, "bob"), "")
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: hers}))(t)
	cookie("of a session that is over", hers, "")

	h.advance(25 * 24 * time.Hour)
	fresh := h.refresh(t, herToken).RefreshToken
	refresh("just replaced", herToken, alice)
	refresh("what came in its place", fresh, alice)
	h.advance(2 * time.Minute)
	refresh("replaced long ago", herToken, "")
	h.advance(grant.RefreshLife)
	refresh("expired", fresh, "")
	if _, err := h.SetRefreshTokens(t.Context(), RefreshTokensRequest{Organization: h.Dev().OrganizationID, Setting: iam.RefreshTokensOff}); err != nil {
		t.Fatal(err)
	}
	refresh("of an organization that has none", h.plantRefreshToken(t, "alice"), "")
	h.active(t, "to its own program, of an organization that has none", web, of(web, "openid", "cloud"), false)
}
