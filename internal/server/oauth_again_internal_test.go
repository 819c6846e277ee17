package server

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// overSession is a client whose browser has a session.
func overSession(cookie string) *propuskpb.Client {
	c := proto.Clone(here).(*propuskpb.Client)
	c.FormerSession, c.UserAgent = cookie, "Later/2"
	return c
}

func (h *hall) again(t *testing.T, login, former string) *propuskpb.SignInResponse_Session {
	t.Helper()
	r := must2(asked[*propuskpb.SignInResponse](t, h, propuskpb.SignInService_Start_FullMethodName,
		&propuskpb.StartSignInRequest{Login: login, Password: h.password(login), Client: overSession(former)}))(t)
	if r.GetSession() == nil {
		t.Fatalf("signing in again: %v", r)
	}
	return r.GetSession()
}

func (h *hall) sessionOf(t *testing.T, cookie string) *propuskpb.AccountSession {
	t.Helper()
	return must2(h.account(t, cookie))(t).GetSession()
}

// Who proves himself again in his own browser goes on with his session: what rests
// on it lives, the former cookie does not.
func TestASessionGoesOn(t *testing.T) {
	h := openHall(t)
	full := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud"} })
	old := h.alice(t)
	before := h.sessionOf(t, old)
	direct := h.iamToken(t, old)
	var tokens []string
	for _, scope := range []string{"openid", "openid cloud"} {
		out := must2(h.redeem(t, full.redeems(h.code(t, old, full.asks(func(a *propuskpb.Authorization) { a.Scope = scope })))))(t)
		tokens = append(tokens, out.GetAccessToken())
	}
	tokens = append(tokens, direct)
	waiting := h.code(t, old, full.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }))
	h.advance(40 * time.Second)

	next := h.again(t, "alice", old)
	if !next.GetContinued() || next.GetCookie() == old {
		t.Errorf("a sign-in in one's own browser: %v", next.GetContinued())
	}
	if _, err := h.account(t, old); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("the former cookie: %v", err)
	}
	after := h.sessionOf(t, next.GetCookie())
	if after.GetId() != before.GetId() || !after.GetCreatedAt().AsTime().Equal(before.GetCreatedAt().AsTime()) || after.GetUserAgent() != "Later/2" ||
		after.GetExpiresAt().AsTime().Sub(before.GetExpiresAt().AsTime()) < 30*time.Second {
		t.Errorf("the session was %v and is %v", before, after)
	}
	for i, text := range tokens {
		if _, err := h.userInfo(t, text); err != nil {
			t.Errorf("token %d has ended: %v", i, err)
		}
	}
	was := claimsIn(t, must2(h.redeem(t, full.redeems(waiting)))(t).GetIdToken())
	is := claimsIn(t, must2(h.redeem(t, full.redeems(h.code(t, next.GetCookie(), full.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" })))))(t).GetIdToken())
	if was["sid"] != is["sid"] || is["auth_time"].(float64)-was["auth_time"].(float64) < 30 {
		t.Errorf("ID tokens of before and after: %v, %v", was, is)
	}
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: next.GetCookie()}))(t)
	for i, text := range tokens {
		_, err := h.userInfo(t, text)
		if reason(t, "after signing out", err, "invalid_token"); t.Failed() {
			t.Fatalf("token %d", i)
		}
	}
}

// Asking for a fresh proof is answered by one in the session that there is.
func TestProvenAgainIsFresh(t *testing.T) {
	h := openHall(t)
	p, old := h.program(t, oauthclient.Web), h.alice(t)
	h.code(t, old, p.asks())
	h.advance(time.Hour)
	asks := p.asks(func(a *propuskpb.Authorization) { a.MaxAge = "60" })
	next := func(cookie string) propuskpb.PrepareAuthorizationResponse_Next {
		return must2(h.prepare(t, cookie, asks))(t).GetNext()
	}
	if n := next(old); n != propuskpb.PrepareAuthorizationResponse_SIGN_IN {
		t.Errorf("an old session: %v", n)
	}
	if n := next(h.again(t, "alice", old).GetCookie()); n != propuskpb.PrepareAuthorizationResponse_ALLOWED {
		t.Errorf("proven again: %v", n)
	}
}

// A session goes on for nobody but its own person, who shows a cookie that is good.
func TestSessionsThatDoNotGoOn(t *testing.T) {
	h := openHall(t, func(c *Config) { c.SessionIdle = time.Hour })
	mine, bobs := h.alice(t), h.signIn(t, "bob", h.password("bob"))
	ended := h.alice(t)
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: ended}))(t)
	own := h.sessionOf(t, mine).GetId()
	for what, former := range map[string]string{"nothing": "", "another's": bobs, "one that has ended": ended, "an id": own,
		"no cookie": "c1.x", "a cut one": mine[:len(mine)-1], "a look-up": lookupIn(t, h, own)} {
		s := h.again(t, "alice", former)
		if got := h.sessionOf(t, s.GetCookie()); s.GetContinued() || got.GetId() == own || !got.GetCreatedAt().AsTime().After(time.Now().Add(-time.Minute)) {
			t.Errorf("with %s: %v goes on as %v", what, former, got)
		}
	}
	if got := h.sessionOf(t, bobs); got.GetId() == "" {
		t.Error("bob's session")
	}
	if h.sessionOf(t, mine).GetId() != own {
		t.Error("alice's session")
	}
	h.advance(2 * time.Hour)
	if s := h.again(t, "alice", mine); s.GetContinued() || h.sessionOf(t, s.GetCookie()).GetId() == own {
		t.Error("a session that nobody has used for long goes on")
	}
}

func lookupIn(t *testing.T, h *hall, id string) (lookup string) {
	t.Helper()
	err := h.db.View(t.Context(), func(tx *store.Tx) error {
		s, err := store.GetSession(tx, id)
		if err == nil {
			lookup = s.Lookup
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lookup
}

// A cookie that two sign-ins show at once lets one of them go on.
func TestACookieGoesOnOnce(t *testing.T) {
	h := openHall(t)
	old := h.alice(t)
	first, second := h.again(t, "alice", old), h.again(t, "alice", old)
	if !first.GetContinued() || second.GetContinued() {
		t.Errorf("goes on: %v, %v", first.GetContinued(), second.GetContinued())
	}
	if h.sessionOf(t, first.GetCookie()).GetId() == h.sessionOf(t, second.GetCookie()).GetId() {
		t.Error("one session has two cookies")
	}
}

// What was made of a code ends with the session that it was allowed in, on every
// node; what a refresh token makes does not.
func TestAccessTokensEndWithTheSession(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	out := must2(h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid offline_access" })))))(t)
	if _, err := h.userInfo(t, out.GetAccessToken()); err != nil {
		t.Fatal(err)
	}
	live := func(token string) bool {
		return must2(told[*propuskpb.IntrospectTokenResponse](t, h, propuskpb.OAuthService_Introspect_FullMethodName,
			&propuskpb.IntrospectTokenRequest{Client: p.proof(), Token: token}))(t).GetActive()
	}
	refreshed := must2(told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName,
		&propuskpb.RefreshTokenGrantRequest{Client: p.proof(), RefreshToken: out.GetRefreshToken()}))(t)
	if !live(out.GetAccessToken()) || !live(refreshed.GetAccessToken()) || claimsIn(t, refreshed.GetAccessToken())["sid"] != nil {
		t.Error("the tokens before")
	}
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	_, err := h.userInfo(t, out.GetAccessToken())
	reason(t, "after signing out", err, "invalid_token")
	if live(out.GetAccessToken()) {
		t.Error("it is told to be live")
	}
	if _, err := h.userInfo(t, refreshed.GetAccessToken()); err != nil || !live(refreshed.GetAccessToken()) {
		t.Errorf("that of a refresh token: %v", err)
	}
}

// Every way of signing in goes on with the session, and tells how the person was
// proved the last time.
func TestEveryProofGoesOn(t *testing.T) {
	t.Parallel()
	s := openStation(t)
	h := keys{s.hall}
	first := s.alice(t)
	if err := s.connect(t, first, s.password("alice"), aliceThere); err != nil {
		t.Fatal(err)
	}
	id := s.sessionOf(t, first).GetId()
	goesOn := func(what, methods string, r *propuskpb.SignInResponse) (cookie string) {
		t.Helper()
		cookie = r.GetSession().GetCookie()
		if got := s.sessionOf(t, cookie); !r.GetSession().GetContinued() || got.GetId() != id {
			t.Errorf("%s: %v goes on as %v", what, id, got)
		}
		if m := h.methods(t, r); m != methods {
			t.Errorf("%s: %q, want %q", what, m, methods)
		}
		return cookie
	}
	journey := s.allow(t, s.begin(t, "one"), aliceThere)
	cookie := goesOn("elsewhere", "fed", must2(asked[*propuskpb.SignInResponse](t, s.hall, propuskpb.UpstreamService_Finish_FullMethodName,
		&propuskpb.FinishUpstreamRequest{Provider: journey.provider, Answer: journey.answer, Client: overSession(first)}))(t))
	d, made := h.passkey(t, cookie, s.password("alice"))
	cookie = goesOn("a passkey", "hwk user mfa", must2(asked[*propuskpb.SignInResponse](t, s.hall, propuskpb.PasskeySignInService_FinishSignIn_FullMethodName,
		&propuskpb.FinishPasskeySignInRequest{Assertion: d.get(t, h.challenge(t)), Client: overSession(cookie)}))(t))
	ticket := must2(s.start(t, "alice", s.password("alice")))(t).GetSecondFactor().GetTicket()
	cookie = goesOn("a recovery code", "pwd mfa", must2(asked[*propuskpb.SignInResponse](t, s.hall, propuskpb.SignInService_FinishSecondFactor_FullMethodName,
		&propuskpb.FinishSecondFactorRequest{Ticket: ticket, Client: overSession(cookie), Proof: &propuskpb.FinishSecondFactorRequest_RecoveryCode{RecoveryCode: made.GetRecoveryCodes()[0]}}))(t))
	ticket = must2(s.start(t, "alice", s.password("alice")))(t).GetSecondFactor().GetTicket()
	begun := must2(h.beginSecond(t, ticket))(t)
	cookie = goesOn("a passkey after the password", "pwd hwk user mfa", must2(asked[*propuskpb.SignInResponse](t, s.hall, propuskpb.PasskeySignInService_FinishSecondFactor_FullMethodName,
		&propuskpb.FinishPasskeySecondFactorRequest{Ticket: ticket, Assertion: d.get(t, begun.GetChallenge()), Client: overSession(cookie)}))(t))
	if all := s.sessions(t, cookie); len(all) != 1 {
		t.Errorf("%d sessions of one browser", len(all))
	}
}
