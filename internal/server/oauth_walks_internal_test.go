package server

import (
	"crypto/sha256"
	"encoding/base64"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// thumbprint is RFC 7638's.
func (p possession) thumbprint(t *testing.T) string {
	t.Helper()
	point := must2(p.key.PublicKey.Bytes())(t)
	b64 := base64.RawURLEncoding
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + b64.EncodeToString(point[1:33]) + `","y":"` + b64.EncodeToString(point[33:]) + `"}`))
	return b64.EncodeToString(sum[:])
}

// moves makes what the next call with a proof of possession rests on move while it
// is walked, so that it is walked again. It tells how often proofs were looked at.
func (h *hall) moves(t *testing.T, userID string) (looked func() int) {
	var n atomic.Int32
	h.dpop.Now = func() time.Time {
		if n.Add(1) == 1 {
			if err := h.db.Update(t.Context(), func(tx *store.Tx) error { return revocation.Revoke(tx, token.KindSubject, userID) }); err != nil {
				t.Error(err)
			}
		}
		return h.clock()
	}
	return func() int { return int(n.Load()) }
}

// A call whose ground moves is walked again with the same proof of possession,
// which is its own; another call's it is not.
func TestProofsOfCallsThatAreWalkedAgain(t *testing.T) {
	h := openHall(t)
	cookie, cli, key := h.alice(t), sdk(), newPossession(t)
	cli.RedirectURIs = []string{"http://127.0.0.1:9/auth/callback"}
	userID := h.userID(t, "alice")
	again := func(what string, call func() (*propuskpb.OAuthTokenResponse, error), second string) {
		t.Helper()
		looked := h.moves(t, userID)
		out, err := call()
		if err != nil || looked() != 2 {
			t.Fatalf("%s: %v, a proof was looked at %d times", what, err, looked())
		}
		if _, err := h.revoked.Verify(out.GetAccessToken()); err != nil {
			t.Errorf("%s: its token: %v", what, err)
		}
		_, err = call()
		reason(t, what+", another call", err, second)
	}

	redeem := cli.redeems(h.code(t, cookie, cli.asks()))
	redeem.Dpop = key.proof(t, h, "/oauth/token")
	var first *propuskpb.OAuthTokenResponse
	again("a code", func() (out *propuskpb.OAuthTokenResponse, err error) {
		out, err = h.redeem(t, redeem)
		if err == nil {
			first = out
		}
		return out, err
	}, iam.OAuthInvalidGrant)

	bound := h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.KeyThumbprint = key.thumbprint(t) })
	refresh := &propuskpb.RefreshTokenGrantRequest{Client: cli.proof(), RefreshToken: bound, Dpop: key.proof(t, h, "/oauth/token")}
	again("a refresh token", func() (*propuskpb.OAuthTokenResponse, error) {
		return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName, refresh)
	}, iam.OAuthInvalidDPoPProof)

	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid"}))(t)
	if err := h.decideDevice(t, cookie, begun.GetUserCode(), true); err != nil {
		t.Fatal(err)
	}
	poll := &propuskpb.RedeemDeviceCodeRequest{Client: cli.proof(), DeviceCode: begun.GetDeviceCode(), Dpop: key.proof(t, h, "/oauth/token")}
	again("a device code", func() (*propuskpb.OAuthTokenResponse, error) {
		return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_RedeemDeviceCode_FullMethodName, poll)
	}, iam.OAuthInvalidDPoPProof)

	if first.GetRefreshToken() == "" {
		t.Error("the code brought no refresh token")
	}
}

// A key that is shown with a code for the first time binds the refresh token and
// all that come after it; so does one that was told of before the code.
func TestAKeyOfTheRedemptionBinds(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, cli, key, other := h.alice(t), sdk(), newPossession(t), newPossession(t)
	cli.RedirectURIs = []string{"http://127.0.0.1:9/auth/callback"}
	if _, err := h.SetRefreshTokens(t.Context(), RefreshTokensRequest{Organization: h.Dev().OrganizationID, Setting: iam.RefreshTokensDPoP}); err != nil {
		t.Fatal(err)
	}
	refresh := func(text string, p *possession) (*propuskpb.OAuthTokenResponse, error) {
		r := &propuskpb.RefreshTokenGrantRequest{Client: cli.proof(), RefreshToken: text}
		if p != nil {
			r.Dpop = p.proof(t, h, "/oauth/token")
		}
		return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName, r)
	}
	for what, asks := range map[string]*propuskpb.Authorization{
		"shown at the redemption": cli.asks(),
		"told of before":          cli.asks(func(a *propuskpb.Authorization) { a.DpopJkt = key.thumbprint(t) }),
	} {
		r := cli.redeems(h.code(t, cookie, asks))
		if asks.GetDpopJkt() != "" {
			r.Dpop = other.proof(t, h, "/oauth/token")
			_, err := h.redeem(t, r)
			reason(t, what+", another's at the redemption", err, iam.OAuthInvalidGrant)
		}
		r.Dpop = key.proof(t, h, "/oauth/token")
		text := must2(h.redeem(t, r))(t).GetRefreshToken()
		if text == "" {
			t.Fatalf("%s: no refresh token", what)
		}
		_, err := refresh(text, nil)
		reason(t, what+", without", err, iam.OAuthInvalidGrant)
		_, err = refresh(text, &other)
		reason(t, what+", another's", err, iam.OAuthInvalidGrant)
		must2(refresh(text, &key))(t)
		if id, err := h.refreshProof().Shown(t.Context(), text); iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("%s: shown to a service: %v, %v", what, id, err)
		}
	}
	without := must2(h.redeem(t, cli.redeems(h.code(t, cookie, cli.asks()))))(t)
	if without.GetRefreshToken() != "" {
		t.Error("a refresh token without a key, where the organization asks for one")
	}
	if n := h.levels(t, iam.InsecureKeyDPoP); n != 2 {
		t.Errorf("%d are shown as bound", n)
	}
}

// levels counts a person's refresh tokens of a level.
func (h *hall) levels(t *testing.T, level iam.ProtectionLevel) int {
	t.Helper()
	var all []*iam.RefreshToken
	err := h.db.View(t.Context(), func(tx *store.Tx) (err error) {
		all, err = store.ListRefreshTokens(tx, h.userID(t, "alice"), store.RefreshTokenFilter{Protection: []iam.ProtectionLevel{level}}, store.Page{Limit: 100})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
