package server

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A form that comes twice lets a program in once.
func TestAYesCountsOnce(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.SPA), h.alice(t)
	m := &propuskpb.AllowAuthorizationRequest{Session: cookie, Authorization: p.asks(), Asked: true, Client: here}
	send := func() error {
		_, err := h.gate.Call(t.Context(), &gate.Request{Method: propuskpb.AuthorizationService_Allow_FullMethodName, Door: "web", RemoteAddr: "192.0.2.7",
			IdempotencyKey: "8d4cb2d0-2ec1-4f1c-9c1a-1d61fd0d1f05", Decode: func(into proto.Message) error { proto.Merge(into, m); return nil }})
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if err := send(); iam.KindOf(err) != iam.AlreadyExists {
		t.Errorf("the second time: %v", err)
	}
	err := h.db.View(t.Context(), func(tx *store.Tx) error {
		all, err := store.ListOAuthGrantsOf(tx, h.Dev().AliceID, p.ID)
		if len(all) != 1 {
			t.Errorf("%d grants", len(all))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The audit line of a yes says to what.
func TestAllowedScopesAreRecorded(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.SPA), h.alice(t)
	h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid groups" }))
	for line := range strings.Lines(h.events(t)) {
		if strings.Contains(line, "propusk.AllowProgram") && strings.Contains(line, "openid groups") {
			return
		}
	}
	t.Error("no line names the scopes")
}

// Without openid there is no ID token that would bring the nonce back, so it
// protects nothing.
func TestANonceNeedsAnIDToken(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.PKCERequired = false }), h.alice(t)
	for scope, want := range map[string]string{"email": "invalid_request", "": "invalid_request", "openid email": ""} {
		v, err := h.allow(t, cookie, p.asks(func(a *propuskpb.Authorization) {
			a.Scope, a.State, a.CodeChallenge, a.CodeChallengeMethod = scope, "", "", ""
		}), true)
		if err != nil || v.Get("error") != want {
			t.Errorf("%q: %v, %v", scope, v, err)
		}
	}
}

// A program that asks for one person gets no code of another who is signed in
// (OpenID Connect Core 1.0 section 3.1.2.2).
func TestAHintNamesThePerson(t *testing.T) {
	h := openHall(t)
	p := h.program(t, oauthclient.Web)
	alice, bob := h.alice(t), h.signIn(t, "bob", h.password("bob"))
	out := must2(h.redeem(t, p.redeems(h.code(t, alice, p.asks()))))(t)
	h.code(t, bob, p.asks())
	hinted := func(hint, prompt string) *propuskpb.Authorization {
		return p.asks(func(a *propuskpb.Authorization) { a.IdTokenHint, a.Prompt = hint, prompt })
	}
	for _, prompt := range []string{"", "none"} {
		a := hinted(out.GetIdToken(), prompt)
		if v, err := h.allow(t, alice, a, false); err != nil || v.Get("code") == "" {
			t.Errorf("%q: alice: %v, %v", prompt, v, err)
		}
		if r := must2(h.prepare(t, bob, a))(t); r.GetNext() != propuskpb.PrepareAuthorizationResponse_REFUSED || query(t, r.GetRefusalLocation()).Get("error") != "login_required" {
			t.Errorf("%q: bob: %v", prompt, r)
		}
		if v, err := h.allow(t, bob, a, true); err != nil || v.Get("error") != "login_required" || v.Get("code") != "" {
			t.Errorf("%q: bob allows: %v, %v", prompt, v, err)
		}
		for what, text := range map[string]string{"no token": "x", "an access token": out.GetAccessToken(), "a forged one": out.GetIdToken()[:len(out.GetIdToken())-4] + "AAAA"} {
			if v, err := h.allow(t, alice, hinted(text, prompt), true); err != nil || v.Get("error") != "login_required" {
				t.Errorf("%q: %s: %v, %v", prompt, what, v, err)
			}
		}
	}
}
