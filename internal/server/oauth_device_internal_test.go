package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// sdk is the client that every server has.
func sdk() *program { return &program{OAuthClient: *oauthclient.Builtin(oauthclient.PublicSDK)} }

func (h *hall) device(t *testing.T, r *propuskpb.AuthorizeDeviceRequest) (*propuskpb.AuthorizeDeviceResponse, error) {
	t.Helper()
	if r.Address == "" {
		r.Address = "198.51.100.7"
	}
	return told[*propuskpb.AuthorizeDeviceResponse](t, h, propuskpb.OAuthService_AuthorizeDevice_FullMethodName, r)
}

func (h *hall) poll(t *testing.T, p *program, code string) (*propuskpb.OAuthTokenResponse, error) {
	t.Helper()
	return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_RedeemDeviceCode_FullMethodName,
		&propuskpb.RedeemDeviceCodeRequest{Client: p.proof(), DeviceCode: code, ClientInstanceInfo: "tv/2"})
}

func (h *hall) findDevice(t *testing.T, cookie, code string) (*propuskpb.DeviceRequest, error) {
	t.Helper()
	return asked[*propuskpb.DeviceRequest](t, h, propuskpb.DeviceService_Find_FullMethodName,
		&propuskpb.FindDeviceRequest{Session: cookie, UserCode: code, Client: here})
}

func (h *hall) decideDevice(t *testing.T, cookie, code string, allow bool) error {
	t.Helper()
	_, err := asked[*propuskpb.DecideDeviceResponse](t, h, propuskpb.DeviceService_Decide_FullMethodName,
		&propuskpb.DecideDeviceRequest{Session: cookie, UserCode: code, Allow: allow, Client: here})
	return err
}

// stranger is the cookie of a person who belongs nowhere.
func (h *hall) stranger(t *testing.T) string {
	t.Helper()
	cookie, lookup := credential.NewSessionCookie()
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "ajestranger", Login: "stranger", Status: iam.UserAccountActive, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		return store.InsertSession(tx, &iam.Session{ID: "ajestrangersession", UserID: "ajestranger", Lookup: lookup, CreatedAt: tx.Now(), LastSeenAt: tx.Now(), ExpiresAt: tx.Now().Add(24 * time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	return cookie.Reveal()
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, cli := h.alice(t), sdk()
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid profile", ClientInstanceInfo: "tv/1\x07"}))(t)
	if begun.GetInterval() != 5 || begun.GetExpiresIn() != 600 || begun.GetVerificationUri() != "https://id.example/device" ||
		begun.GetVerificationUriComplete() != "https://id.example/device?user_code="+begun.GetUserCode() {
		t.Errorf("interval %d, %d s, at %s", begun.GetInterval(), begun.GetExpiresIn(), begun.GetVerificationUri())
	}
	_, err := h.poll(t, cli, begun.GetDeviceCode())
	refused(t, "nobody has answered", err, iam.FailedPrecondition, iam.OAuthAuthorizationPending)
	_, err = h.poll(t, cli, begun.GetDeviceCode())
	refused(t, "too early", err, iam.ResourceExhausted, iam.OAuthSlowDown)
	h.advance(9 * time.Second)
	_, err = h.poll(t, cli, begun.GetDeviceCode())
	reason(t, "in time", err, iam.OAuthAuthorizationPending)

	typed := strings.ToLower(strings.ReplaceAll(begun.GetUserCode(), "-", " "))
	found := must2(h.findDevice(t, cookie, typed))(t)
	if found.GetUserCode() != begun.GetUserCode() || found.GetProgram().GetClientId() != oauthclient.PublicSDK || !found.GetFullAccess() || found.GetOffline() ||
		found.GetAddress() != "198.51.100.7" || found.GetClientInstanceInfo() != "tv/1" || len(found.GetScopes()) != 2 || found.GetProgram().GetOnThisMachine() {
		t.Errorf("found %v", found)
	}
	if err := h.decideDevice(t, cookie, typed, true); err != nil {
		t.Fatal(err)
	}
	refused(t, "answered twice", h.decideDevice(t, cookie, typed, false), iam.NotFound, "")
	out := must2(h.poll(t, cli, begun.GetDeviceCode()))(t)
	if !strings.HasPrefix(out.GetAccessToken(), "t1.") || out.GetTokenType() != "Bearer" || out.GetScope() != "openid profile" {
		t.Errorf("%s, scope %q", out.GetTokenType(), out.GetScope())
	}
	if id := claimsIn(t, out.GetIdToken()); id["sub"] != h.Dev().AliceID || id["nonce"] != nil {
		t.Errorf("ID token: %v", id)
	}
	_, err = h.poll(t, cli, begun.GetDeviceCode())
	reason(t, "used twice", err, iam.OAuthInvalidGrant)
	claims := must2(h.revoked.Verify(out.GetAccessToken()))(t)
	if claims.SubjectID != h.Dev().AliceID || claims.OrganizationID != h.Dev().OrganizationID {
		t.Errorf("token of %s in %q", claims.SubjectID, claims.OrganizationID)
	}
	log := h.events(t)
	for _, part := range []string{"propusk.AnswerDevice", `"answer":"yes"`, `"device_address":"198.51.100.7"`, `"oauth_grant_id"`, `"iam_token_id":"` + claims.ID, `"credential_type":"deviceCode"`} {
		if !strings.Contains(log, part) {
			t.Errorf("no %s in the audit log", part)
		}
	}
	for _, secret := range []string{begun.GetDeviceCode(), begun.GetUserCode(), out.GetAccessToken(), out.GetIdToken()} {
		if strings.Contains(log, secret) {
			t.Error("a secret is in the audit log")
		}
	}
	if strings.Contains(log, iam.OAuthAuthorizationPending) || strings.Contains(log, iam.OAuthSlowDown) {
		t.Error("waiting is in the audit log")
	}
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	if _, err := h.revoked.Verify(out.GetAccessToken()); err == nil {
		t.Error("the token outlives the session in which it was allowed")
	}
}

func TestDeviceAnswers(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, cli := h.alice(t), sdk()
	begin := func() *propuskpb.AuthorizeDeviceResponse {
		t.Helper()
		return must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof()}))(t)
	}
	no := begin()
	if err := h.decideDevice(t, cookie, no.GetUserCode(), false); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it stays so
		_, err := h.poll(t, cli, no.GetDeviceCode())
		refused(t, "no", err, iam.PermissionDenied, iam.OAuthAccessDenied)
	}

	ended := begin() // the session ends between the answer and the next question
	if err := h.decideDevice(t, cookie, ended.GetUserCode(), true); err != nil {
		t.Fatal(err)
	}
	native := h.program(t, oauthclient.Native)
	_, err := h.poll(t, native, ended.GetDeviceCode())
	reason(t, "another program's code", err, iam.OAuthInvalidGrant)
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	_, err = h.poll(t, cli, ended.GetDeviceCode())
	reason(t, "after the session", err, iam.OAuthInvalidGrant)

	cookie = h.alice(t)
	old := begin()
	h.advance(10 * time.Minute)
	_, err = h.findDevice(t, cookie, old.GetUserCode())
	refused(t, "an expired code", err, iam.NotFound, "")
	refused(t, "an expired code", h.decideDevice(t, cookie, old.GetUserCode(), true), iam.NotFound, "")
	_, err = h.poll(t, cli, old.GetDeviceCode())
	reason(t, "an expired code", err, iam.OAuthExpiredToken)
	h.advance(2 * time.Hour)
	if err := h.db.Update(t.Context(), h.cleanSignIn); err != nil {
		t.Fatal(err)
	}
	if err := h.db.Update(t.Context(), cleanDeviceCodes); err != nil {
		t.Fatal(err)
	}
	_, err = h.poll(t, cli, old.GetDeviceCode())
	reason(t, "a forgotten code", err, iam.OAuthInvalidGrant)
	for _, code := range []string{"", "dc1.", "t1.x", strings.Repeat("a", 1000)} {
		_, err = h.poll(t, cli, code)
		reason(t, "no code", err, iam.OAuthInvalidGrant)
	}
}

// However many answer or ask at once, one of each succeeds.
func TestDeviceRaces(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, cli := h.alice(t), sdk()
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof()}))(t)
	once := func(what string, fn func() error) {
		t.Helper()
		var wg sync.WaitGroup
		results := make([]error, 6)
		for i := range results {
			wg.Go(func() { results[i] = fn() })
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			switch {
			case err == nil:
				won++
			case iam.KindOf(err) != iam.NotFound && iam.KindOf(err) != iam.Unauthenticated:
				t.Errorf("%s: %v", what, err)
			}
		}
		if won != 1 {
			t.Errorf("%s %d times", what, won)
		}
	}
	once("answered", func() error { return h.decideDevice(t, cookie, begun.GetUserCode(), true) })
	once("redeemed", func() error { _, err := h.poll(t, cli, begun.GetDeviceCode()); return err })
}

func TestUserCodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	alice, bob, cli := h.alice(t), h.signIn(t, "bob", h.password("bob")), sdk()
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof()}))(t)
	for range 20 { // what cannot be a code is no guess
		_, err := h.findDevice(t, alice, "AEIOU-123")
		refused(t, "no code", err, iam.NotFound, "")
	}
	for i := range 10 {
		wrong := fmt.Sprintf("BBBB-BBB%c", "BCDFGHJKLM"[i])
		var err error
		if i%2 == 0 {
			_, err = h.findDevice(t, alice, wrong)
		} else {
			err = h.decideDevice(t, alice, wrong, true)
		}
		refused(t, "a wrong code", err, iam.NotFound, "")
	}
	_, err := h.findDevice(t, alice, begun.GetUserCode())
	refused(t, "after ten", err, iam.ResourceExhausted, "too_many_attempts")
	refused(t, "after ten", h.decideDevice(t, alice, begun.GetUserCode(), true), iam.ResourceExhausted, "too_many_attempts")
	if _, err := h.findDevice(t, bob, begun.GetUserCode()); err != nil {
		t.Errorf("another person: %v", err)
	}
	h.advance(time.Hour)
	begun = must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof()}))(t)
	if _, err := h.findDevice(t, alice, begun.GetUserCode()); err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

func TestDevicesOfAnOrganizationsProgram(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	native, bob, stranger := h.program(t, oauthclient.Native), h.signIn(t, "bob", h.password("bob")), h.stranger(t)
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: native.proof(), Scope: "openid email"}))(t)
	_, err := h.findDevice(t, stranger, begun.GetUserCode())
	refused(t, "a stranger looks", err, iam.PermissionDenied, iam.OAuthAccessDenied)
	refused(t, "a stranger allows", h.decideDevice(t, stranger, begun.GetUserCode(), true), iam.PermissionDenied, iam.OAuthAccessDenied)
	found := must2(h.findDevice(t, bob, begun.GetUserCode()))(t)
	if found.GetProgram().GetOrganizationId() != h.Dev().OrganizationID || found.GetFullAccess() {
		t.Errorf("found %v", found)
	}
	if err := h.decideDevice(t, bob, begun.GetUserCode(), true); err != nil {
		t.Fatal(err)
	}
	out := must2(h.poll(t, native, begun.GetDeviceCode()))(t)
	if c := claimsIn(t, out.GetAccessToken()); c["sub"] != h.Dev().BobID || c["client_id"] != native.ID || c["scope"] != "openid email" {
		t.Errorf("access token: %v", c)
	}
	if info := must2(h.userInfo(t, out.GetAccessToken()))(t); info.GetSub() != h.Dev().BobID {
		t.Errorf("userinfo: %v", info)
	}
}

func TestWhoMayAskForDeviceCodes(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	web, spa, native, cli := h.program(t, oauthclient.Web), h.program(t, oauthclient.SPA), h.program(t, oauthclient.Native), sdk()
	nobody := &program{OAuthClient: iam.OAuthClient{ID: "ajenobody"}}
	for what, c := range map[string]struct {
		p           *program
		scope, code string
	}{
		"a server": {web, "openid", iam.OAuthUnauthorizedClient}, "a page": {spa, "openid", iam.OAuthUnauthorizedClient},
		"nobody": {nobody, "openid", iam.OAuthInvalidClient}, "a scope that it has not": {native, "openid cloud", iam.OAuthInvalidScope},
		"an unknown scope": {cli, "everything", iam.OAuthInvalidScope},
	} {
		_, err := h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: c.p.proof(), Scope: c.scope})
		reason(t, what, err, c.code)
	}
	wrong := web.proof()
	wrong.ClientSecret += "x"
	_, err := h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: wrong})
	reason(t, "a wrong secret", err, iam.OAuthInvalidClient)

	asked := 0
	for ; asked < 100; asked++ {
		if _, err = h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Address: "203.0.113.5"}); err != nil {
			break
		}
	}
	refused(t, "a flood", err, iam.ResourceExhausted, "too_many_attempts")
	if asked < 40 || asked > 60 {
		t.Errorf("%d codes for one address", asked)
	}
	if _, err := h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Address: "203.0.113.6"}); err != nil {
		t.Errorf("another address: %v", err)
	}
	if n := strings.Count(h.events(t), "AuthorizeDevice"); n > 20 {
		t.Errorf("%d lines of people who ask for codes", n)
	}
}

// possession makes proofs that a program has its key (RFC 9449 section 4).
type possession struct{ key *ecdsa.PrivateKey }

func newPossession(t *testing.T) possession {
	return possession{must2(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
}

func (p possession) proof(t *testing.T, h *hall, path string) *propuskpb.DPoPProof {
	t.Helper()
	b64 := base64.RawURLEncoding
	point := must2(p.key.PublicKey.Bytes())(t)
	address := "https://id.example" + path
	header := fmt.Sprintf(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:]))
	claims := fmt.Sprintf(`{"jti":%q,"htm":"POST","htu":%q,"iat":%d}`, rand.Text(), address, h.now().Unix())
	signed := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return &propuskpb.DPoPProof{Method: "POST", Url: address, Jwt: signed + "." + b64.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))}
}

// A code that was asked for with a key is redeemed with that key alone, and so is
// the refresh token; a key that is shown later binds from then on.
func TestDevicesWithKeys(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, cli := h.alice(t), sdk()
	own, another := newPossession(t), newPossession(t)
	poll := func(code string, p *possession) (*propuskpb.OAuthTokenResponse, error) {
		r := &propuskpb.RedeemDeviceCodeRequest{Client: cli.proof(), DeviceCode: code}
		if p != nil {
			r.Dpop = p.proof(t, h, "/oauth/token")
		}
		return told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_RedeemDeviceCode_FullMethodName, r)
	}
	for what, begin := range map[string]*propuskpb.DPoPProof{"a key from the beginning": own.proof(t, h, "/oauth/device/code"), "a key from the first question": nil} {
		begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid", Dpop: begin}))(t)
		_, err := poll(begun.GetDeviceCode(), &own)
		reason(t, what, err, iam.OAuthAuthorizationPending)
		if err := h.decideDevice(t, cookie, begun.GetUserCode(), true); err != nil {
			t.Fatal(err)
		}
		_, err = poll(begun.GetDeviceCode(), nil)
		reason(t, what+", none", err, iam.OAuthInvalidGrant)
		_, err = poll(begun.GetDeviceCode(), &another)
		reason(t, what+", another's", err, iam.OAuthInvalidGrant)
		out := must2(poll(begun.GetDeviceCode(), &own))(t)
		refresh := func(p *possession) error {
			r := &propuskpb.RefreshTokenGrantRequest{Client: cli.proof(), RefreshToken: out.GetRefreshToken()}
			if p != nil {
				r.Dpop = p.proof(t, h, "/oauth/token")
			}
			_, err := told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName, r)
			return err
		}
		if refresh(nil) == nil || refresh(&another) == nil {
			t.Errorf("%s: the refresh token is good without it", what)
		}
		if err := refresh(&own); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	reused := own.proof(t, h, "/oauth/device/code")
	must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Dpop: reused}))(t)
	_, err := h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Dpop: reused})
	reason(t, "a proof that was used", err, iam.OAuthInvalidDPoPProof)
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid"}))(t)
	if err := h.decideDevice(t, cookie, begun.GetUserCode(), true); err != nil {
		t.Fatal(err)
	}
	out := must2(poll(begun.GetDeviceCode(), nil))(t)
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	fresh := must2(told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName,
		&propuskpb.RefreshTokenGrantRequest{Client: cli.proof(), RefreshToken: out.GetRefreshToken()}))(t)
	if _, err := h.revoked.Verify(fresh.GetAccessToken()); err != nil {
		t.Errorf("a device that was let in for good: %v", err)
	}
}
