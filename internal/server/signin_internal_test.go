package server

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// hall is a development server and the web door's way into it.
type hall struct {
	*Server
	mu   sync.Mutex
	plus time.Duration // of the server's clock
}

func openHall(t *testing.T, change ...func(*Config)) *hall {
	t.Helper()
	h := &hall{}
	cfg := Config{Data: t.TempDir(), HTTPListen: "127.0.0.1:0", GRPCListen: Off, AccessListen: Off, DebugListen: Off, PublicURL: "https://id.example/"}
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(t.Context(), cfg, Options{Dev: true, Memory: true, Now: h.clock})
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *hall) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.plus)
}

func (h *hall) advance(d time.Duration) { h.mu.Lock(); h.plus += d; h.mu.Unlock() }

// asked calls a method as the web door does.
func asked[M proto.Message](t *testing.T, h *hall, method string, m proto.Message) (M, error) {
	t.Helper()
	out, err := h.gate.Call(t.Context(), &gate.Request{Method: method, Door: "web", RemoteAddr: "192.0.2.7", UserAgent: "test",
		Decode: func(into proto.Message) error { proto.Merge(into, m); return nil }})
	if err != nil {
		var none M
		return none, err
	}
	return out.Message.(M), nil
}

func must[M any](t *testing.T, m M, err error) M {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var here = &propuskpb.Client{Address: "192.0.2.7", UserAgent: "Netscape\x1b Navigator"}

func (h *hall) start(t *testing.T, login, password string) (*propuskpb.SignInResponse, error) {
	t.Helper()
	return asked[*propuskpb.SignInResponse](t, h, propuskpb.SignInService_Start_FullMethodName,
		&propuskpb.StartSignInRequest{Login: login, Password: password, Client: here})
}

// signIn is the cookie of a new session.
func (h *hall) signIn(t *testing.T, login, password string) string {
	t.Helper()
	r, err := h.start(t, login, password)
	if err != nil || r.GetSession() == nil {
		t.Fatalf("signing in as %s: %v, %v", login, r, err)
	}
	return r.GetSession().GetCookie()
}

func (h *hall) alice(t *testing.T) string {
	t.Helper()
	return h.signIn(t, "alice", h.password("alice"))
}

func (h *hall) password(login string) string { return h.Dev().Password(login).Reveal() }

func (h *hall) account(t *testing.T, cookie string) (*propuskpb.Account, error) {
	t.Helper()
	return asked[*propuskpb.Account](t, h, propuskpb.AccountService_Get_FullMethodName, &propuskpb.GetAccountRequest{Session: cookie})
}

func (h *hall) iamToken(t *testing.T, cookie string) string {
	t.Helper()
	r, err := asked[*propuskpb.CreateSessionIamTokenResponse](t, h, propuskpb.AccountService_CreateIamToken_FullMethodName,
		&propuskpb.CreateSessionIamTokenRequest{Session: cookie})
	return must(t, r, err).GetIamToken()
}

func (h *hall) sessions(t *testing.T, cookie string) []*propuskpb.AccountSession {
	t.Helper()
	r, err := asked[*propuskpb.ListSessionsResponse](t, h, propuskpb.AccountService_ListSessions_FullMethodName, &propuskpb.ListSessionsRequest{Session: cookie})
	return must(t, r, err).GetSessions()
}

// refused checks kind and reason, or the field that is named, of a refusal.
func refused(t *testing.T, what string, err error, kind iam.Kind, word string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Reason != word && (len(e.Fields) != 1 || e.Fields[0].Field != word) {
		t.Errorf("%s: %v, want %v %s", what, err, kind, word)
	}
}

// events are the types of the audit lines, without what they have in common.
func (h *hall) events(t *testing.T) string {
	t.Helper()
	r := must2(h.AuditList(t.Context(), AuditListRequest{Limit: 10000}))(t)
	var b strings.Builder
	for _, line := range r.Events {
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func must2[M any](m M, err error) func(t *testing.T) M {
	return func(t *testing.T) M { t.Helper(); return must(t, m, err) }
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	first, second := h.alice(t), h.signIn(t, "alice@example.com", h.password("alice"))
	if !leak.Valid(leak.IAMCookie, first) || first == second {
		t.Errorf("no cookie: %d characters", len(first))
	}
	a := must2(h.account(t, first))(t)
	if a.GetId() != h.Dev().AliceID || a.GetLogin() != "alice" || len(a.GetOrganizations()) != 1 || a.GetPasswordChangedAt() == nil ||
		a.GetSecondFactors().GetTotpAddedAt() != nil || !a.GetSession().GetCurrent() || a.GetSession().GetUserAgent() != "Netscape Navigator" {
		t.Errorf("account: %v", a)
	}
	if s := h.sessions(t, first); len(s) != 2 || s[0].GetCurrent() == s[1].GetCurrent() {
		t.Errorf("sessions: %v", s)
	}
	one, two := h.iamToken(t, first), h.iamToken(t, second)
	claims, err := h.revoked.Verify(one)
	if err != nil || claims.SubjectID != a.GetId() || claims.OrganizationID != h.Dev().OrganizationID {
		t.Errorf("token: %+v, %v", claims, err)
	}
	if _, err := asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: first}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.revoked.Verify(one); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("the token of a session that has ended: %v", err)
	}
	if _, err := h.revoked.Verify(two); err != nil {
		t.Errorf("the token of the other session: %v", err)
	}
	_, err = h.account(t, first)
	refused(t, "the cookie", err, iam.Unauthenticated, "session_ended")
	if _, err := h.account(t, second); err != nil {
		t.Errorf("the other cookie: %v", err)
	}
	log := h.events(t)
	for _, e := range []string{"credential.ApplicationLoginEvent", "CreateIamCookieForSubject", "iam.CreateIamToken", "credential.RevokeSsoSession"} {
		if !strings.Contains(log, e) {
			t.Errorf("no audit line of %s", e)
		}
	}
	for _, secret := range []string{h.password("alice"), first[3:60], second[3:60]} {
		if strings.Contains(log, secret) {
			t.Error("a secret is in the audit log")
		}
	}
}

// A door that anybody may talk to in his own words must not reach these methods:
// it is the web door that tells where a person sits.
func TestSignInIsTheWebDoorsAlone(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	for _, door := range []string{"rest", "grpc", "sts", ""} {
		_, err := h.gate.Call(t.Context(), &gate.Request{Method: propuskpb.SignInService_Start_FullMethodName, Door: door,
			Decode: func(proto.Message) error { t.Error("read"); return nil }})
		if iam.KindOf(err) != iam.Unimplemented {
			t.Errorf("%s: %v", door, err)
		}
	}
}

func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	var texts []string
	for _, c := range [][2]string{{"alice", "my other password"}, {"nobody", "my other password"}, {"", "x"}, {"mistyped-secret", "x"}} {
		_, err := h.start(t, c[0], c[1])
		if c[0] == "" {
			if iam.KindOf(err) != iam.InvalidArgument {
				t.Errorf("no login: %v", err)
			}
			continue
		}
		refused(t, c[0], err, iam.Unauthenticated, "password_wrong")
		texts = append(texts, fmt.Sprint(err))
	}
	if texts[0] != texts[1] {
		t.Errorf("two answers: %q", texts)
	}
	log := h.events(t)
	if !strings.Contains(log, h.Dev().AliceID) || strings.Contains(log, "my other password") || strings.Contains(log, "mistyped-secret") {
		t.Errorf("the log does not say who was tried, or says what was typed: %s", log)
	}
	for range 12 { // some of them are too soon already
		_, _ = h.start(t, "alice", "my other password")
	}
	_, err := h.start(t, "alice", h.password("alice"))
	refused(t, "too soon", err, iam.ResourceExhausted, "too_many_attempts")
	h.advance(time.Hour)
	h.alice(t)
}

func TestSecondFactorAtTheDoor(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, password := h.alice(t), h.password("alice")
	begin := func(password string) (*propuskpb.BeginTotpResponse, error) {
		return asked[*propuskpb.BeginTotpResponse](t, h, propuskpb.AccountService_BeginTotp_FullMethodName,
			&propuskpb.BeginTotpRequest{Session: cookie, Password: password, Client: here})
	}
	confirm := func(code string) (*propuskpb.ConfirmTotpResponse, error) {
		return asked[*propuskpb.ConfirmTotpResponse](t, h, propuskpb.AccountService_ConfirmTotp_FullMethodName,
			&propuskpb.ConfirmTotpRequest{Session: cookie, Code: code, Client: here})
	}
	_, err := confirm("000000")
	refused(t, "nothing begun", err, iam.FailedPrecondition, "")
	_, err = begin("not hers")
	refused(t, "without the password", err, iam.InvalidArgument, "password")
	b := must2(begin(password))(t)
	if !strings.HasPrefix(b.GetOtpauthUrl(), "otpauth://totp/id.example:alice?secret="+b.GetSecret()) {
		t.Errorf("%s", b.GetOtpauthUrl())
	}
	h.alice(t) // it counts for nothing yet
	_, err = confirm("12345")
	refused(t, "a wrong code", err, iam.InvalidArgument, "code")
	secret := must2(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(b.GetSecret()))(t)
	codes := must2(confirm(totpAt(secret, h.clock())))(t).GetRecoveryCodes()
	if len(codes) != 10 {
		t.Fatalf("recovery codes: %d", len(codes))
	}
	_, err = begin(password)
	refused(t, "a second app", err, iam.FailedPrecondition, "")

	ticket := func() string {
		t.Helper()
		r := must2(h.start(t, "alice", password))(t).GetSecondFactor()
		if r.GetTicket() == "" || len(r.GetFactors()) != 2 {
			t.Fatalf("no second factor is asked for: %v", r)
		}
		return r.GetTicket()
	}
	finish := func(m *propuskpb.FinishSecondFactorRequest) (*propuskpb.SignInResponse, error) {
		m.Client = here
		return asked[*propuskpb.SignInResponse](t, h, propuskpb.SignInService_FinishSecondFactor_FullMethodName, m)
	}
	byCode := func(ticket, code string) (*propuskpb.SignInResponse, error) {
		return finish(&propuskpb.FinishSecondFactorRequest{Ticket: ticket, Proof: &propuskpb.FinishSecondFactorRequest_Code{Code: code}})
	}
	byRecovery := func(ticket, code string) (*propuskpb.SignInResponse, error) {
		return finish(&propuskpb.FinishSecondFactorRequest{Ticket: ticket, Proof: &propuskpb.FinishSecondFactorRequest_RecoveryCode{RecoveryCode: code}})
	}
	_, err = byCode(ticket(), totpAt(secret, h.clock()))
	refused(t, "the code that confirmed the app", err, iam.Unauthenticated, "code_wrong")
	h.advance(30 * time.Second)
	one := ticket()
	made := must2(byCode(one, totpAt(secret, h.clock())))(t).GetSession().GetCookie()
	if s := must2(h.account(t, made))(t).GetSession(); !s.GetSecondFactor() {
		t.Errorf("%v", s)
	}
	_, err = byRecovery(one, codes[0])
	refused(t, "a ticket twice", err, iam.Unauthenticated, "ticket_expired")
	if r := must2(byRecovery(ticket(), codes[0]))(t); r.GetSession() == nil {
		t.Error("no session by a recovery code")
	}
	_, err = byRecovery(ticket(), codes[0])
	refused(t, "a recovery code twice", err, iam.Unauthenticated, "code_wrong")
	if n := must2(h.account(t, made))(t).GetSecondFactors().GetRecoveryCodesLeft(); n != 9 {
		t.Errorf("%d are left", n)
	}
	remove := func(password string) error {
		_, err := asked[*propuskpb.RemoveTotpResponse](t, h, propuskpb.AccountService_RemoveTotp_FullMethodName,
			&propuskpb.RemoveTotpRequest{Session: made, Password: password, Client: here})
		return err
	}
	refused(t, "removed by a thief", remove("not hers"), iam.InvalidArgument, "password")
	if err := remove(password); err != nil {
		t.Fatal(err)
	}
	refused(t, "removed twice", remove(password), iam.FailedPrecondition, "")
	h.alice(t)
	for _, e := range []string{"mfa.CreateUserCredential", "mfa.VerifyUserCredential", "mfa.DeleteUserCredential"} {
		if !strings.Contains(h.events(t), e) {
			t.Errorf("no audit line of %s", e)
		}
	}
}

func (h *hall) userID(t *testing.T, login string) (id string) {
	t.Helper()
	err := h.db.View(t.Context(), func(tx *store.Tx) error {
		u, err := store.GetUserAccountByLogin(tx, login)
		if err == nil {
			id = u.ID
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}
