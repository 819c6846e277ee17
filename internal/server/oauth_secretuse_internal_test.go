package server

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// The owner of a client sees which of its secrets are in use, wherever they are
// shown; one that was refused is in use nowhere.
func TestTheLastUseOfAClientsSecret(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	p := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "offline_access"} })
	cookie := h.alice(t)
	last := func() (at time.Time) {
		t.Helper()
		if err := h.used.writeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := h.db.View(t.Context(), func(tx *store.Tx) error {
			row, err := store.GetOAuthClientSecret(tx, "ajesecret"+p.ID)
			at = row.LastUsedAt
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if got := last(); !got.IsZero() {
		t.Fatalf("before its first use it was used at %s", got)
	}
	wrong := *p
	wrong.secret = iam.NewSecret(p.secret.Reveal()[:len(p.secret.Reveal())-1] + "0")
	_, err := h.introspect(t, &wrong, "x")
	reason(t, "a wrong secret", err, iam.OAuthInvalidClient)
	unasked := p.proof()
	unasked.Method = propuskpb.OAuthClientProof_NONE
	_, err = h.clientToken(t, &propuskpb.ClientCredentialsGrantRequest{Client: unasked})
	reason(t, "in a way that is none", err, iam.OAuthInvalidClient)
	if got := last(); !got.IsZero() {
		t.Errorf("what was refused was used at %s", got)
	}
	out := h.tokensOf(t, cookie, p, "openid offline_access")
	first := last()
	if first.IsZero() {
		t.Error("a code is redeemed without it")
	}
	for _, use := range []struct {
		what string
		do   func() error
	}{
		{"introspection", func() error { _, err := h.introspect(t, p, "x"); return err }},
		{"client credentials", func() error {
			_, err := h.clientToken(t, &propuskpb.ClientCredentialsGrantRequest{Client: p.proof()})
			return err
		}},
		{"exchange", func() error {
			_, err := h.exchange(t, &propuskpb.ExchangeTokenRequest{Client: p.proof(), SubjectToken: h.Dev().oauth.Reveal(), SubjectTokenType: tokenType + "access_token"})
			return err
		}},
		{"refreshing", func() error {
			_, err := told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName,
				&propuskpb.RefreshTokenGrantRequest{Client: p.proof(), RefreshToken: out.GetRefreshToken()})
			return err
		}},
		{"revocation", func() error { return h.giveBack(t, p, out.GetRefreshToken()) }},
	} {
		h.advance(10 * time.Minute)
		before := last()
		if err := use.do(); err != nil {
			t.Errorf("%s: %v", use.what, err)
		}
		if got := last(); !got.After(before) {
			t.Errorf("%s: last used at %s, as before", use.what, got)
		}
	}
}
