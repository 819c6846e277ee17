package server

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// totpAt is what an authenticator app shows (RFC 6238), worked out a second time.
func totpAt(secret []byte, at time.Time) string {
	m := hmac.New(sha1.New, secret)
	_ = binary.Write(m, binary.BigEndian, at.Unix()/30)
	sum := m.Sum(nil)
	from := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[from:from+4])&0x7fffffff)%1000000)
}

func (h *hall) changePassword(t *testing.T, cookie, old, fresh string) error {
	t.Helper()
	_, err := asked[*propuskpb.ChangePasswordResponse](t, h, propuskpb.AccountService_ChangePassword_FullMethodName,
		&propuskpb.ChangePasswordRequest{Session: cookie, Password: old, NewPassword: fresh, Client: here})
	return err
}

func TestAPasswordIsChanged(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	mine, other, bobs, old := h.alice(t), h.alice(t), h.signIn(t, "bob", h.password("bob")), h.password("alice")
	theirs := h.iamToken(t, other)
	refused(t, "without the old one", h.changePassword(t, mine, "not hers", "rainy sunday"), iam.InvalidArgument, "password")
	refused(t, "a weak one", h.changePassword(t, mine, old, "password123"), iam.InvalidArgument, "new_password")
	refused(t, "her e-mail address", h.changePassword(t, mine, old, "alice@example.com"), iam.InvalidArgument, "new_password")
	refused(t, "the same", h.changePassword(t, mine, old, old), iam.InvalidArgument, "new_password")
	if _, err := h.account(t, other); err != nil {
		t.Fatalf("a change that was refused has ended a session: %v", err)
	}
	if err := h.changePassword(t, mine, old, "rainy sunday"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.account(t, mine); err != nil {
		t.Errorf("her own session: %v", err)
	}
	_, err := h.account(t, other)
	refused(t, "another session", err, iam.Unauthenticated, "session_ended")
	if _, err := h.revoked.Verify(theirs); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("the token of another session: %v", err)
	}
	if _, err := h.account(t, bobs); err != nil {
		t.Errorf("bob: %v", err)
	}
	_, err = h.start(t, "alice", old)
	refused(t, "the old password", err, iam.Unauthenticated, "password_wrong")
	h.signIn(t, "alice", "rainy sunday")
}

func TestAPasswordIsReset(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	reset := func(token, fresh string) (*propuskpb.ResetPasswordResponse, error) {
		return asked[*propuskpb.ResetPasswordResponse](t, h, propuskpb.SignInService_ResetPassword_FullMethodName,
			&propuskpb.ResetPasswordRequest{ResetToken: token, NewPassword: fresh, Client: here})
	}
	link := func() string {
		t.Helper()
		made := must2(h.MakeResetLink(t.Context(), UserResetLinkRequest{User: "alice"}))(t)
		u := must2(url.Parse(made.Link))(t)
		if u.Scheme+"://"+u.Host+u.Path != "https://id.example/reset" {
			t.Fatalf("%s", made.Link)
		}
		return u.Query().Get("token")
	}
	replaced, good := link(), link()
	_, err := reset(replaced, "rainy sunday")
	refused(t, "a link that was replaced", err, iam.Unauthenticated, "reset_token_ended")
	_, err = reset("x", "rainy sunday")
	refused(t, "no link", err, iam.Unauthenticated, "reset_token_ended")
	_, err = reset(good, "short")
	refused(t, "a weak password", err, iam.InvalidArgument, "new_password") // and the link stays good
	if r := must2(reset(good, "rainy sunday"))(t); r.GetLogin() != "alice" {
		t.Errorf("%v", r)
	}
	_, err = reset(good, "windy monday")
	refused(t, "a link twice", err, iam.Unauthenticated, "reset_token_ended")
	_, err = h.account(t, cookie)
	refused(t, "a session from before", err, iam.Unauthenticated, "session_ended")
	h.signIn(t, "alice", "rainy sunday")
	old := link()
	h.advance(time.Hour)
	_, err = reset(old, "windy monday")
	refused(t, "an old link", err, iam.Unauthenticated, "reset_token_ended")
}

func TestSessionsEndByThemselves(t *testing.T) {
	t.Parallel()
	h := openHall(t, func(c *Config) { c.SessionIdle, c.SessionLife = time.Hour, 150*time.Minute })
	busy, idle := h.alice(t), h.alice(t)
	began := h.clock()
	claims := must2(h.revoked.Verify(h.iamToken(t, busy)))(t)
	if end := claims.ExpiresAt.Sub(began); end > time.Hour+time.Minute {
		t.Errorf("a token outlives its session by far: %s", end)
	}
	for range 2 {
		h.advance(50 * time.Minute)
		if _, err := h.account(t, busy); err != nil {
			t.Fatalf("after %s: %v", h.clock().Sub(began), err)
		}
		if err := h.used.finish(t.Context()); err != nil { // what the job does every second
			t.Fatal(err)
		}
	}
	_, err := h.account(t, idle)
	refused(t, "an idle one", err, iam.Unauthenticated, "session_ended")
	if s := h.sessions(t, busy); len(s) != 1 {
		t.Errorf("listed: %v", s)
	}
	claims = must2(h.revoked.Verify(h.iamToken(t, busy)))(t)
	if end := claims.ExpiresAt.Sub(began); end > 151*time.Minute {
		t.Errorf("a token outlives its session: %s", end)
	}
	h.advance(51 * time.Minute)
	_, err = h.account(t, busy)
	refused(t, "after its life", err, iam.Unauthenticated, "session_ended")
	if err := h.clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := must2(h.ListUserSessions(t.Context(), UserSessionsRequest{User: "alice"}))(t); len(r.Sessions) != 0 {
		t.Errorf("left: %v", r.Sessions)
	}
}

func TestSessionsAreEnded(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	mine, second, third, bobs := h.alice(t), h.alice(t), h.alice(t), h.signIn(t, "bob", h.password("bob"))
	end := func(cookie, id string) error {
		_, err := asked[*propuskpb.EndSessionResponse](t, h, propuskpb.AccountService_EndSession_FullMethodName, &propuskpb.EndSessionRequest{Session: cookie, SessionId: id})
		return err
	}
	id := must2(h.account(t, second))(t).GetSession().GetId()
	stranger, unknown := end(bobs, id), end(bobs, "aje00000000000000000")
	if iam.KindOf(stranger) != iam.NotFound || strings.ReplaceAll(stranger.Error(), id, "aje00000000000000000") != unknown.Error() {
		t.Errorf("another person's: %v, and an unknown one: %v", stranger, unknown)
	}
	tok := h.iamToken(t, second)
	if err := end(mine, id); err != nil {
		t.Fatal(err)
	}
	_, err := h.account(t, second)
	refused(t, "ended", err, iam.Unauthenticated, "session_ended")
	if _, err := h.revoked.Verify(tok); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("its token: %v", err)
	}
	r, err := asked[*propuskpb.EndOtherSessionsResponse](t, h, propuskpb.AccountService_EndOtherSessions_FullMethodName, &propuskpb.EndOtherSessionsRequest{Session: mine})
	if must(t, r, err).GetEnded() != 1 {
		t.Errorf("%v", r)
	}
	_, err = h.account(t, third)
	refused(t, "one of the others", err, iam.Unauthenticated, "session_ended")
	if out := must2(h.SignOutUser(t.Context(), UserSignOutRequest{User: "alice"}))(t); out.Ended != 1 {
		t.Errorf("the operator ended %d", out.Ended)
	}
	_, err = h.account(t, mine)
	refused(t, "signed out by the operator", err, iam.Unauthenticated, "session_ended")
	if _, err := h.account(t, bobs); err != nil {
		t.Errorf("bob: %v", err)
	}
}

func TestASuspendedPersonIsOut(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	must2(h.SuspendUser(t.Context(), UserSuspendRequest{User: "alice"}))(t)
	if _, err := h.account(t, cookie); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("the session: %v", err)
	}
	_, err := h.start(t, "alice", "not hers")
	refused(t, "a wrong password", err, iam.Unauthenticated, "password_wrong") // who does not know it learns nothing
	_, err = h.start(t, "alice", h.password("alice"))
	refused(t, "the right one", err, iam.FailedPrecondition, "account_suspended")
	must2(h.ReactivateUser(t.Context(), UserSuspendRequest{User: "alice"}))(t)
	_, err = h.account(t, cookie)
	refused(t, "what has ended stays ended", err, iam.Unauthenticated, "session_ended")
	h.alice(t)
}

func TestOAuthTokensOfASession(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, bobs := h.alice(t), h.signIn(t, "bob", h.password("bob"))
	create := func(client string) (*propuskpb.CreatePersonOAuthTokenResponse, error) {
		return asked[*propuskpb.CreatePersonOAuthTokenResponse](t, h, propuskpb.AccountService_CreateOAuthToken_FullMethodName,
			&propuskpb.CreatePersonOAuthTokenRequest{Session: cookie, ClientId: client})
	}
	_, err := create("somebody")
	refused(t, "an unknown client", err, iam.InvalidArgument, "client_id")
	made := must2(create(signinapi.PublicClientID))(t)
	if left := made.GetExpiresAt().AsTime().Sub(h.clock()); !strings.HasPrefix(made.GetOauthToken(), "y0_") || left < 364*24*time.Hour || left > 367*24*time.Hour {
		t.Errorf("good for %s", left)
	}
	list := func(cookie string) []*propuskpb.PersonOAuthToken {
		r, err := asked[*propuskpb.ListPersonOAuthTokensResponse](t, h, propuskpb.AccountService_ListOAuthTokens_FullMethodName, &propuskpb.ListPersonOAuthTokensRequest{Session: cookie})
		return must(t, r, err).GetTokens()
	}
	found := func() (n int) {
		for _, tok := range list(cookie) {
			if tok.GetId() == made.GetId() && tok.GetClientId() == signinapi.PublicClientID {
				n++
			}
		}
		return n
	}
	if found() != 1 || len(list(bobs)) != 0 {
		t.Errorf("alice has %d of these, bob %d in all", found(), len(list(bobs)))
	}
	revoke := func(cookie string, also bool) error {
		_, err := asked[*propuskpb.RevokePersonOAuthTokenResponse](t, h, propuskpb.AccountService_RevokeOAuthToken_FullMethodName,
			&propuskpb.RevokePersonOAuthTokenRequest{Session: cookie, OauthTokenId: made.GetId(), AlsoIamTokens: also})
		return err
	}
	if err := revoke(bobs, false); iam.KindOf(err) != iam.NotFound {
		t.Errorf("by bob: %v", err)
	}
	tok, bobsToken := h.iamToken(t, cookie), h.iamToken(t, bobs)
	if err := revoke(cookie, true); err != nil || found() != 0 {
		t.Errorf("revoked: %v, %d left", err, found())
	}
	if _, err := h.revoked.Verify(tok); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("her IAM tokens: %v", err)
	}
	if _, err := h.revoked.Verify(bobsToken); err != nil {
		t.Errorf("bob's: %v", err)
	}
	if _, err := h.revoked.Verify(h.iamToken(t, cookie)); err != nil { // the session goes on
		t.Errorf("a new one: %v", err)
	}
}

func TestTheOperatorSetsAPassword(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	_, err := h.SetUserPassword(t.Context(), UserPasswordRequest{User: "alice", Password: "password123"})
	refused(t, "a weak one", err, iam.InvalidArgument, "password")
	_, err = h.SetUserPassword(t.Context(), UserPasswordRequest{User: "nobody", Password: "rainy sunday"})
	if iam.KindOf(err) != iam.NotFound {
		t.Errorf("nobody: %v", err)
	}
	must2(h.SetUserPassword(t.Context(), UserPasswordRequest{User: h.userID(t, "alice"), Password: "rainy sunday"}))(t)
	_, err = h.account(t, cookie)
	refused(t, "a session from before", err, iam.Unauthenticated, "session_ended")
	h.signIn(t, "alice", "rainy sunday")
}

// A development server gives the same passwords after a restart, and none to a
// person who has chosen another one since.
func TestDevPasswordsAreKept(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	open := func() *Server {
		t.Helper()
		s := must2(New(t.Context(), Config{Data: folder, HTTPListen: "127.0.0.1:0", GRPCListen: Off, AccessListen: Off, DebugListen: Off}, Options{Dev: true}))(t)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s := open()
	alice, bob := s.Dev().Password("alice").Reveal(), s.Dev().Password("bob").Reveal()
	if alice == "" || bob == "" || alice == bob || !strings.Contains(s.DevEnv(), "ALICE_PASSWORD="+alice+"\n") || !strings.Contains(s.DevEnv(), "BOB_PASSWORD="+bob+"\n") {
		t.Fatalf("%d and %d characters", len(alice), len(bob))
	}
	must2(s.SetUserPassword(t.Context(), UserPasswordRequest{User: "bob", Password: "rainy sunday"}))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	if got := s.Dev().Password("alice").Reveal(); got != alice {
		t.Error("alice has another password")
	}
	if strings.Contains(s.DevEnv(), "BOB_PASSWORD") {
		t.Error("a password that bob has no longer is told")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
