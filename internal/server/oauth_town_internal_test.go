package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

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
