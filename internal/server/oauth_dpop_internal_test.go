package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// keyHolder is a program with a key.
type keyHolder struct {
	x, thumbprint string
	private       ed25519.PrivateKey
}

func newKeyHolder(t *testing.T) *keyHolder {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyHolder{x: base64.RawURLEncoding.EncodeToString(public), private: private}
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + k.x + `"}`))
	k.thumbprint = base64.RawURLEncoding.EncodeToString(sum[:])
	return k
}

func (k *keyHolder) proof(at time.Time, id, address string) string {
	header := `{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"` + k.x + `"}}`
	claims := fmt.Sprintf(`{"jti":%q,"htm":"POST","htu":%q,"iat":%d}`, id, address, at.Unix())
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(signed)))
}

// A refresh token that is bound to a key is good with a proof of that key alone,
// made once for this server under the name that its operator gave it.
func TestRefreshingWithAKey(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	key, other := newKeyHolder(t), newKeyHolder(t)
	bound := h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.KeyThumbprint = key.thumbprint })
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {oauthclient.PublicSDK}, "refresh_token": {bound}}
	const address = "https://id.example/oauth/token"
	good := key.proof(h.clock(), "1", address)
	wantTokens(t, "with its key", h.postToken(t, form, "DPoP", good), false)
	for what, proof := range map[string]string{"again": good, "for another server": key.proof(h.clock(), "2", "http://"+h.HTTPAddr()+"/oauth/token"),
		"for another endpoint": key.proof(h.clock(), "3", "https://id.example/oauth/revoke"), "an old one": key.proof(h.clock().Add(-2*time.Minute), "4", address),
		"no proof": "x"} {
		if got := h.postToken(t, form, "DPoP", proof); got.Status != 400 || got.Error != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s %s", what, got.Status, got.Error, got.Text)
		}
	}
	wantGone(t, "with another key", h.postToken(t, form, "DPoP", other.proof(h.clock(), "5", address)))
	wantGone(t, "without a key", h.postToken(t, form))
	h.advance(25 * 24 * time.Hour)
	renewed := h.postToken(t, form, "DPoP", key.proof(h.clock(), "6", address))
	wantTokens(t, "replaced", renewed, true)
	form.Set("refresh_token", renewed.RefreshToken)
	wantGone(t, "the new one without a key", h.postToken(t, form))
	// A thief without the key ends nobody's grant.
	h.advance(2 * time.Minute)
	wantGone(t, "the old one without a key", h.refresh(t, bound))
	wantTokens(t, "the new one", h.postToken(t, form, "DPoP", key.proof(h.clock(), "7", address)), false)
}

// A registered program's tokens are no IAM tokens, and it may ask for less.
func TestRefreshingForAProgram(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	c := &iam.OAuthClient{ID: resource.NewID(resource.PrefixIAM), FolderID: h.dev.FolderID, Name: "notes", ProfileID: oauthclient.Native, PKCERequired: true,
		AuthenticationMethods: []string{oauthclient.NoSecret}, RedirectURIs: []string{"http://127.0.0.1/cb"}, Scopes: []string{}}
	if err := h.db.Update(t.Context(), func(tx *store.Tx) error { c.CreatedAt = tx.Now(); return store.InsertOAuthClient(tx, c) }); err != nil {
		t.Fatal(err)
	}
	text := h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) {
		g.ClientID, g.Scopes = c.ID, []string{"openid", "email", "offline_access"}
	})
	eventually(t, func() bool { return h.refresh(t, text, "client_id", c.ID).Error != "invalid_client" })
	all := h.refresh(t, text, "client_id", c.ID)
	if all.Status != 200 || !strings.HasPrefix(all.AccessToken, "eyJ") || all.Scope != "openid email offline_access" || all.IDToken == "" || all.RefreshToken != "" {
		t.Fatalf("%d %s %s, scope %q", all.Status, all.Error, all.Text, all.Scope)
	}
	less := h.refresh(t, text, "client_id", c.ID, "scope", "email")
	if less.Status != 200 || less.Scope != "email" || less.IDToken != "" {
		t.Errorf("less: %d %s, scope %q", less.Status, less.Error, less.Scope)
	}
	if status, _ := h.get(t, all.AccessToken, "GET", "/iam/v1/refreshTokens", ""); status != 401 {
		t.Errorf("its access token at the API: %d", status)
	}
	wantGone(t, "by the command line", h.refresh(t, text))
	if id, err := h.refreshProof().Shown(t.Context(), text); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("shown by a service that it did not go to: %v, %v", id, err)
	}
}

// What the owner of a program takes out of what it may ask for, its refresh tokens
// bring no longer, whatever people have allowed before.
func TestRefreshingForAProgramThatMayLess(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	p := h.program(t, oauthclient.Native, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "email", "orders.write", "offline_access"} })
	text := h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.ClientID, g.Scopes = p.ID, []string{"openid", "orders.write", "email"} })
	eventually(t, func() bool { return h.refresh(t, text, "client_id", p.ID).Scope == "openid orders.write email" })
	may := func(scopes ...string) {
		t.Helper()
		if err := h.db.Update(t.Context(), func(tx *store.Tx) error { p.Scopes = scopes; return store.UpdateOAuthClient(tx, &p.OAuthClient) }); err != nil {
			t.Fatal(err)
		}
	}
	may("email", "openid", "offline_access")
	eventually(t, func() bool { return h.refresh(t, text, "client_id", p.ID).Scope == "openid email" })
	if got := h.refresh(t, text, "client_id", p.ID, "scope", "orders.write"); got.Error != "invalid_scope" {
		t.Errorf("what was taken: %d %s, scope %q", got.Status, got.Error, got.Scope)
	}
	may("profile")
	eventually(t, func() bool { return h.refresh(t, text, "client_id", p.ID).Error == "invalid_grant" })
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for range 100 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("it never came")
}
