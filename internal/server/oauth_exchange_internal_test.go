package server

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const tokenType = "urn:ietf:params:oauth:token-type:"

func (h *hall) exchange(t *testing.T, r *propuskpb.ExchangeTokenRequest) (*propuskpb.OAuthTokenResponse, error) {
	t.Helper()
	return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_ExchangeToken_FullMethodName, r)
}

// robotJWT is a JWT that the development world's service account has signed.
func (h *hall) robotJWT(t *testing.T) string {
	t.Helper()
	f, err := keyfile.Parse(h.DevKey(DevKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := keyfile.SignJWT(f, keyfile.PublicAudience, h.now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return jwt.Reveal()
}

// signedWithID is such a JWT with an id of its own.
func (h *hall) signedWithID(t *testing.T, id string) string {
	t.Helper()
	f := must2(keyfile.Parse(h.DevKey(DevKeyFile)))(t)
	key := must2(f.Key())(t)
	b64 := base64.RawURLEncoding
	now := h.now().Unix()
	signed := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"PS256","kid":"`+f.ID+`"}`)) + "." +
		b64.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"aud":%q,"iat":%d,"exp":%d,"jti":%q}`, f.ServiceAccountID, keyfile.PublicAudience, now, now+600, id))
	sum := sha256.Sum256([]byte(signed))
	return signed + "." + b64.EncodeToString(must2(rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))(t))
}

func TestTokensAreExchanged(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	w := h.Dev()
	alice := h.alice(t)
	iamToken := h.iamToken(t, alice)
	web := h.program(t, oauthclient.Web)
	const at = tokenType + "access_token"
	for what, c := range map[string]struct {
		r     *propuskpb.ExchangeTokenRequest
		whose string
	}{
		"impersonation":            {&propuskpb.ExchangeTokenRequest{SubjectToken: iamToken, SubjectTokenType: at, Audience: w.ServiceAccountID, RequestedTokenType: at}, w.ServiceAccountID},
		"impersonation, misspelt":  {&propuskpb.ExchangeTokenRequest{SubjectToken: iamToken, SubjectTokenType: at, Audience: w.ServiceAccountID, RequestedTokenType: "urn:ietf:params:oauth-token-type:access_token"}, w.ServiceAccountID},
		"impersonation by program": {&propuskpb.ExchangeTokenRequest{Client: web.proof(), SubjectToken: iamToken, SubjectTokenType: at, Audience: w.ServiceAccountID, Scope: "cloud"}, w.ServiceAccountID},
		"an OAuth token":           {&propuskpb.ExchangeTokenRequest{SubjectToken: w.oauth.Reveal(), SubjectTokenType: at}, w.AliceID},
		"an OAuth token, here":     {&propuskpb.ExchangeTokenRequest{SubjectToken: w.oauth.Reveal(), SubjectTokenType: at, Audience: "https://id.example/", Resource: "https://id.example"}, w.AliceID},
		"a JWT":                    {&propuskpb.ExchangeTokenRequest{SubjectToken: h.robotJWT(t), SubjectTokenType: tokenType + "jwt"}, w.ServiceAccountID},
	} {
		out, err := h.exchange(t, c.r)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		claims, err := h.revoked.Verify(out.GetAccessToken())
		if err != nil || claims.SubjectID != c.whose || claims.OrganizationID != w.OrganizationID {
			t.Errorf("%s: token of %+v, %v", what, claims, err)
		}
		if out.GetTokenType() != "Bearer" || out.GetIssuedTokenType() != at || out.GetScope() != c.r.GetScope() || out.GetExpiresIn() <= 0 || out.GetExpiresIn() > 43200 || out.GetRefreshToken() != "" {
			t.Errorf("%s: %s, %s, scope %q, %d s", what, out.GetTokenType(), out.GetIssuedTokenType(), out.GetScope(), out.GetExpiresIn())
		}
	}
	derived := must2(h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: iamToken, SubjectTokenType: at, Audience: w.ServiceAccountID}))(t)
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: alice}))(t)
	if _, err := h.revoked.Verify(derived.GetAccessToken()); err == nil {
		t.Error("what was made of a token outlives it")
	}
	log := h.events(t)
	for _, part := range []string{`"impersonator_id":"` + w.AliceID, `"client_id":"` + web.ID} {
		if !strings.Contains(log, part) {
			t.Errorf("no %s in the audit log", part)
		}
	}
	for _, secret := range []string{iamToken, w.oauth.Reveal(), derived.GetAccessToken()} {
		if strings.Contains(log, secret) {
			t.Error("a secret is in the audit log")
		}
	}
}

func TestRefusedExchanges(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	w := h.Dev()
	alices, bobs := h.iamToken(t, h.alice(t)), h.iamToken(t, h.signIn(t, "bob", h.password("bob")))
	strangers := h.iamToken(t, h.stranger(t))
	oauth, jwt := w.oauth.Reveal(), h.robotJWT(t)
	web := h.program(t, oauthclient.Web)
	const at = tokenType + "access_token"
	for what, c := range map[string]struct {
		r      *propuskpb.ExchangeTokenRequest
		kind   iam.Kind
		reason string
	}{
		"no token":                      {&propuskpb.ExchangeTokenRequest{SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"no type":                       {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, Audience: w.ServiceAccountID}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"an unknown type":               {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: tokenType + "saml2", Audience: w.ServiceAccountID}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"a JWT wanted":                  {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at, Audience: w.ServiceAccountID, RequestedTokenType: tokenType + "jwt"}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"an actor":                      {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at, Audience: w.ServiceAccountID, ActorToken: bobs, ActorTokenType: at}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"a token for itself":            {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"a token for this server":       {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at, Audience: "https://id.example"}, iam.InvalidArgument, iam.OAuthInvalidRequest},
		"a scope":                       {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at, Audience: w.ServiceAccountID, Scope: "openid"}, iam.InvalidArgument, iam.OAuthInvalidScope},
		"a resource":                    {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at, Audience: w.ServiceAccountID, Resource: "https://elsewhere.example"}, iam.InvalidArgument, iam.OAuthInvalidTarget},
		"an OAuth token for an account": {&propuskpb.ExchangeTokenRequest{SubjectToken: oauth, SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.InvalidArgument, iam.OAuthInvalidTarget},
		"a JWT of elsewhere":            {&propuskpb.ExchangeTokenRequest{SubjectToken: jwt, SubjectTokenType: tokenType + "jwt", Audience: w.ServiceAccountID}, iam.InvalidArgument, iam.OAuthInvalidTarget},
		"an ID token":                   {&propuskpb.ExchangeTokenRequest{SubjectToken: jwt, SubjectTokenType: tokenType + "id_token", Audience: w.ServiceAccountID}, iam.InvalidArgument, iam.OAuthInvalidTarget},
		"a JWT as access token":         {&propuskpb.ExchangeTokenRequest{SubjectToken: jwt, SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.Unauthenticated, "credential_kind"},
		"a broken token":                {&propuskpb.ExchangeTokenRequest{SubjectToken: alices[:len(alices)-1], SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.Unauthenticated, "token_invalid"},
		"a broken OAuth token":          {&propuskpb.ExchangeTokenRequest{SubjectToken: oauth[:len(oauth)-1], SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.Unauthenticated, "credential_kind"},
		"a broken JWT":                  {&propuskpb.ExchangeTokenRequest{SubjectToken: jwt[:len(jwt)-4] + "AAAA", SubjectTokenType: tokenType + "jwt"}, iam.Unauthenticated, "jwt_signature"},
		"no right":                      {&propuskpb.ExchangeTokenRequest{SubjectToken: bobs, SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.PermissionDenied, iam.OAuthInvalidTarget},
		"a hidden account":              {&propuskpb.ExchangeTokenRequest{SubjectToken: strangers, SubjectTokenType: at, Audience: w.ServiceAccountID}, iam.NotFound, iam.OAuthInvalidTarget},
		"an unknown account":            {&propuskpb.ExchangeTokenRequest{SubjectToken: strangers, SubjectTokenType: at, Audience: "ajenothing"}, iam.NotFound, iam.OAuthInvalidTarget},
		"no account":                    {&propuskpb.ExchangeTokenRequest{SubjectToken: alices, SubjectTokenType: at, Audience: w.FolderID}, iam.NotFound, iam.OAuthInvalidTarget},
		"an unknown program":            {&propuskpb.ExchangeTokenRequest{Client: &propuskpb.OAuthClientProof{ClientId: "ajenobody", Method: propuskpb.OAuthClientProof_NONE}, SubjectToken: oauth, SubjectTokenType: at}, iam.Unauthenticated, iam.OAuthInvalidClient},
		"a program without proof":       {&propuskpb.ExchangeTokenRequest{Client: &propuskpb.OAuthClientProof{ClientId: web.ID, Method: propuskpb.OAuthClientProof_NONE}, SubjectToken: oauth, SubjectTokenType: at}, iam.Unauthenticated, iam.OAuthInvalidClient},
	} {
		out, err := h.exchange(t, c.r)
		if out.GetAccessToken() != "" {
			t.Errorf("%s: a token", what)
		}
		refused(t, what, err, c.kind, c.reason)
	}
	_, hidden := h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: strangers, SubjectTokenType: at, Audience: w.ServiceAccountID})
	_, unknown := h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: strangers, SubjectTokenType: at, Audience: "ajenothing"})
	if a, b := strings.Replace(hidden.Error(), w.ServiceAccountID, "", 1), strings.Replace(unknown.Error(), "ajenothing", "", 1); a != b {
		t.Errorf("what is hidden is told from what is not: %s, %s", a, b)
	}
	// A JWT that was refused for how it was asked for is not used up, and the
	// request of another door's client cannot come here.
	if _, err := h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: jwt, SubjectTokenType: tokenType + "jwt"}); err != nil {
		t.Error(err)
	}
	_, err := h.gate.Call(t.Context(), &gate.Request{Method: propuskpb.OAuthService_ExchangeToken_FullMethodName, Door: "rest",
		Decode: func(proto.Message) error { return nil }})
	refused(t, "over REST", err, iam.Unimplemented, "")
}

// A JWT with an id is good once, at whichever door it is shown.
func TestAnExchangedJWTIsUsedUp(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	jwt := h.signedWithID(t, "id-1")
	create := func() error {
		_, err := h.gate.Call(t.Context(), &gate.Request{Method: iampb.IamTokenService_Create_FullMethodName, Door: "grpc", Decode: func(m proto.Message) error {
			proto.Merge(m, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt}})
			return nil
		}})
		return err
	}
	exchange := func() error {
		_, err := h.exchange(t, &propuskpb.ExchangeTokenRequest{SubjectToken: jwt, SubjectTokenType: tokenType + "jwt"})
		return err
	}
	if err := exchange(); err != nil {
		t.Fatal(err)
	}
	refused(t, "exchanged again", exchange(), iam.Unauthenticated, "jwt_replayed")
	refused(t, "at the other door", create(), iam.Unauthenticated, "jwt_replayed")
	jwt = h.signedWithID(t, "id-2")
	if err := create(); err != nil {
		t.Fatal(err)
	}
	refused(t, "at this door", exchange(), iam.Unauthenticated, "jwt_replayed")
}
