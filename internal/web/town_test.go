package web_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// today is the day of every test.
var today = time.Date(2026, time.November, 22, 21, 47, 5, 0, time.UTC)

// town is a gate with a few people behind it: enough to walk every page.
//
//	alice   password alone
//	bob     second factor, with some recovery codes
//	odd     a name that means harm
//	nobody  signs in without belonging anywhere
//
// Logins with a fate of their own: locked, crowded, broken, asleep.
type town struct {
	mu       sync.Mutex
	sessions map[string]*propuskpb.Account // by cookie
	lists    map[string][]*propuskpb.AccountSession
	tokens   map[string][]*propuskpb.PersonOAuthToken // by cookie
	tickets  map[string]string                        // login by ticket
	made     int
	asked    []asked
	fails    map[string]error                       // by method, instead of an answer
	programs map[string][]*propuskpb.AllowedProgram // by cookie
	began    map[string]time.Time                   // sessions
	decided  map[string]bool                        // devices by their codes
	ahead    time.Duration                          // of today

	listening []string // addresses of programs that are there for real
}

// asked is one call as the gate gets it.
type asked struct {
	*gate.Request
	message proto.Message
}

const (
	goodPassword = "three blue teapots"
	goodCode     = "123456"
	goodRecovery = "k7wq-3mzd-x9fa"
	goodReset    = "reset-link-of-alice"
	publicClient = "1a6990aa636648e9b2ef855fa7bec2fb"
	oauthToken   = "y0_AgAAAAB0aGlzLWlzLWEtdG9rZW4tb2YtYS10ZXN0LW9ubHkteHl6MTI"
	totpSecret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	harm         = `<script>alert(1)</script> "&' ` + "\u202Eevil 🦊"
)

func newTown() *town {
	return &town{sessions: map[string]*propuskpb.Account{}, lists: map[string][]*propuskpb.AccountSession{},
		tokens: map[string][]*propuskpb.PersonOAuthToken{}, tickets: map[string]string{}, fails: map[string]error{},
		programs: map[string][]*propuskpb.AllowedProgram{}, began: map[string]time.Time{}, decided: map[string]bool{}}
}

func at(ago time.Duration) *timestamppb.Timestamp { return timestamppb.New(today.Add(-ago)) }

const day = 24 * time.Hour

func (g *town) person(login string) *propuskpb.Account {
	a := &propuskpb.Account{Id: "aje0person00000000" + fmt.Sprintf("%02d", len(login)), Login: login, CreatedAt: at(400 * day), PasswordChangedAt: at(31 * day),
		SecondFactors: &propuskpb.SecondFactors{}}
	switch login {
	case "alice":
		a.Name, a.Email = "Alice Liddell", "alice@example.com"
		a.Organizations = []*propuskpb.AccountOrganization{
			{Id: "bpf0wonderland000001", Name: "wonderland", Title: "Wonderland"}, {Id: "bpf0lookingglass0002", Name: "looking-glass"}}
	case "bob":
		a.Name, a.Email = "Боб Строитель", "bob@example.com"
		a.Organizations = []*propuskpb.AccountOrganization{{Id: "bpf0wonderland000001", Name: "wonderland", Title: "Wonderland"}}
		a.SecondFactors = &propuskpb.SecondFactors{TotpAddedAt: at(200 * day), RecoveryCodesLeft: 7}
	case "odd":
		a.Name, a.Email = harm, "odd@example.com"
		a.Organizations = []*propuskpb.AccountOrganization{{Id: "bpf0odd0000000000003", Name: "odd", Title: harm}}
	}
	return a
}

// Call implements web.Gate.
func (g *town) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	res := &gate.Response{RequestID: "11111111-2222-4333-8444-555555555555"}
	var m proto.Message
	act, ok := g.acts()[r.Method]
	if !ok {
		return res, iam.Errorf(iam.Unimplemented, "Method %s is not known", r.Method)
	}
	m = act.message
	if err := r.Decode(m); err != nil {
		return res, err
	}
	g.asked = append(g.asked, asked{r, m})
	if err := g.fails[r.Method]; err != nil {
		return res, err
	}
	if s, ok := m.(interface{ GetSession() string }); ok && g.sessions[s.GetSession()] == nil {
		return res, iam.Errorf(iam.Unauthenticated, "The session has ended")
	}
	var err error
	res.Message, err = act.run()
	return res, err
}

type act struct {
	message proto.Message
	run     func() (proto.Message, error)
}

func actOf[M proto.Message](m M, run func(M) (proto.Message, error)) act {
	return act{m, func() (proto.Message, error) { return run(m) }}
}

func (g *town) acts() map[string]act {
	all := map[string]act{
		propuskpb.SignInService_Start_FullMethodName:              actOf(&propuskpb.StartSignInRequest{}, g.start),
		propuskpb.SignInService_FinishSecondFactor_FullMethodName: actOf(&propuskpb.FinishSecondFactorRequest{}, g.second),
		propuskpb.SignInService_SignOut_FullMethodName: actOf(&propuskpb.SignOutRequest{}, func(m *propuskpb.SignOutRequest) (proto.Message, error) {
			delete(g.sessions, m.GetSession())
			return &propuskpb.SignOutResponse{}, nil
		}),
		propuskpb.SignInService_ResetPassword_FullMethodName: actOf(&propuskpb.ResetPasswordRequest{}, func(m *propuskpb.ResetPasswordRequest) (proto.Message, error) {
			if m.GetResetToken() != goodReset {
				return nil, iam.Errorf(iam.Unauthenticated, "The link has been used or has expired")
			}
			return &propuskpb.ResetPasswordResponse{Login: "alice"}, fresh(m.GetNewPassword())
		}),
		propuskpb.AccountService_Get_FullMethodName: actOf(&propuskpb.GetAccountRequest{}, func(m *propuskpb.GetAccountRequest) (proto.Message, error) {
			return g.sessions[m.GetSession()], nil
		}),
		propuskpb.AccountService_ListSessions_FullMethodName: actOf(&propuskpb.ListSessionsRequest{}, func(m *propuskpb.ListSessionsRequest) (proto.Message, error) {
			return &propuskpb.ListSessionsResponse{Sessions: g.lists[m.GetSession()]}, nil
		}),
		propuskpb.AccountService_EndSession_FullMethodName: actOf(&propuskpb.EndSessionRequest{}, func(m *propuskpb.EndSessionRequest) (proto.Message, error) {
			for i, s := range g.lists[m.GetSession()] {
				if s.GetId() == m.GetSessionId() {
					g.lists[m.GetSession()] = append(g.lists[m.GetSession()][:i:i], g.lists[m.GetSession()][i+1:]...)
					return &propuskpb.EndSessionResponse{}, nil
				}
			}
			return nil, iam.Errorf(iam.NotFound, "Session %s not found", m.GetSessionId())
		}),
		propuskpb.AccountService_EndOtherSessions_FullMethodName: actOf(&propuskpb.EndOtherSessionsRequest{}, func(m *propuskpb.EndOtherSessionsRequest) (proto.Message, error) {
			g.lists[m.GetSession()] = g.lists[m.GetSession()][:1]
			return &propuskpb.EndOtherSessionsResponse{Ended: 2}, nil
		}),
		propuskpb.AccountService_ChangePassword_FullMethodName: actOf(&propuskpb.ChangePasswordRequest{}, func(m *propuskpb.ChangePasswordRequest) (proto.Message, error) {
			if err := same(m.GetPassword()); err != nil {
				return nil, err
			}
			return &propuskpb.ChangePasswordResponse{}, fresh(m.GetNewPassword())
		}),
		propuskpb.AccountService_BeginTotp_FullMethodName: actOf(&propuskpb.BeginTotpRequest{}, func(m *propuskpb.BeginTotpRequest) (proto.Message, error) {
			return &propuskpb.BeginTotpResponse{Secret: totpSecret, OtpauthUrl: "otpauth://totp/Propusk:alice?secret=" + totpSecret + "&issuer=Propusk"}, same(m.GetPassword())
		}),
		propuskpb.AccountService_ConfirmTotp_FullMethodName: actOf(&propuskpb.ConfirmTotpRequest{}, g.confirm),
		propuskpb.AccountService_RemoveTotp_FullMethodName: actOf(&propuskpb.RemoveTotpRequest{}, func(m *propuskpb.RemoveTotpRequest) (proto.Message, error) {
			if err := same(m.GetPassword()); err != nil {
				return nil, err
			}
			g.sessions[m.GetSession()].SecondFactors = &propuskpb.SecondFactors{}
			return &propuskpb.RemoveTotpResponse{}, nil
		}),
		propuskpb.AccountService_RenewRecoveryCodes_FullMethodName: actOf(&propuskpb.RenewRecoveryCodesRequest{}, func(m *propuskpb.RenewRecoveryCodesRequest) (proto.Message, error) {
			return &propuskpb.RenewRecoveryCodesResponse{RecoveryCodes: []string{"new1-new2-new3-new4"}}, same(m.GetPassword())
		}),
		propuskpb.AccountService_ListOAuthTokens_FullMethodName: actOf(&propuskpb.ListPersonOAuthTokensRequest{}, func(m *propuskpb.ListPersonOAuthTokensRequest) (proto.Message, error) {
			return &propuskpb.ListPersonOAuthTokensResponse{Tokens: g.tokens[m.GetSession()]}, nil
		}),
		propuskpb.AccountService_CreateOAuthToken_FullMethodName: actOf(&propuskpb.CreatePersonOAuthTokenRequest{}, func(m *propuskpb.CreatePersonOAuthTokenRequest) (proto.Message, error) {
			g.made++
			t := &propuskpb.PersonOAuthToken{Id: fmt.Sprintf("aje0oauth%011d", g.made), ClientId: m.GetClientId(), MaskedToken: "y0_AgAA****MTI", CreatedAt: at(0), ExpiresAt: at(-365 * day)}
			g.tokens[m.GetSession()] = append(g.tokens[m.GetSession()], t)
			return &propuskpb.CreatePersonOAuthTokenResponse{Id: t.GetId(), OauthToken: oauthToken, ExpiresAt: t.GetExpiresAt()}, nil
		}),
		propuskpb.AccountService_RevokeOAuthToken_FullMethodName: actOf(&propuskpb.RevokePersonOAuthTokenRequest{}, g.revoke),
	}
	maps.Copy(all, g.oauthActs())
	maps.Copy(all, g.joinActs())
	maps.Copy(all, g.upstreamActs())
	return all
}

// fresh judges a new password as the room of sign-ins does.
func fresh(password string) error {
	if len(password) < 8 {
		e := iam.InvalidField("new_password", "must have at least 8 characters")
		e.Reason = "password_short"
		return e
	}
	if password == "something else" {
		return iam.InvalidField("new_password", "is of a kind that pages have no words for")
	}
	return nil
}

func same(password string) error {
	if password == goodPassword {
		return nil
	}
	e := iam.InvalidField("password", "is wrong")
	e.Reason = "password_wrong"
	return e
}

func (g *town) start(m *propuskpb.StartSignInRequest) (proto.Message, error) {
	switch m.GetLogin() {
	case "locked":
		return nil, &iam.Error{Kind: iam.ResourceExhausted, Message: "Too many attempts", Reason: "too_many_attempts", RetryAfter: 90 * time.Second}
	case "crowded":
		return nil, &iam.Error{Kind: iam.Unavailable, Message: "Busy", RetryAfter: 5 * time.Second}
	case "broken":
		return nil, fmt.Errorf("disk of %s is full", m.GetPassword())
	case "panics":
		panic("a fault of a test")
	}
	if m.GetPassword() != goodPassword {
		return nil, iam.Errorf(iam.Unauthenticated, "The login or the password is wrong")
	}
	switch m.GetLogin() {
	case "asleep":
		return nil, iam.Errorf(iam.PermissionDenied, "The account is suspended")
	case "bob":
		g.made++
		ticket := fmt.Sprint("ticket-", g.made)
		g.tickets[ticket] = "bob"
		return &propuskpb.SignInResponse{Result: &propuskpb.SignInResponse_SecondFactor_{SecondFactor: &propuskpb.SignInResponse_SecondFactor{
			Ticket: ticket, ExpiresAt: at(-5 * time.Minute), Factors: []propuskpb.Factor{propuskpb.Factor_TOTP, propuskpb.Factor_RECOVERY_CODE}}}}, nil
	case "alice", "odd", "nobody":
		return g.open(m.GetLogin(), m.GetClient()), nil
	}
	return nil, iam.Errorf(iam.Unauthenticated, "The login or the password is wrong")
}

func (g *town) second(m *propuskpb.FinishSecondFactorRequest) (proto.Message, error) {
	login := g.tickets[m.GetTicket()]
	switch {
	case login == "":
		return nil, &iam.Error{Kind: iam.Unauthenticated, Message: "The sign-in has taken too long", Reason: "ticket_expired"}
	case m.GetCode() == "000000":
		delete(g.tickets, m.GetTicket())
		return nil, &iam.Error{Kind: iam.Unauthenticated, Message: "The code is wrong, and was the last one", Reason: "ticket_spent"}
	case m.GetCode() == "999999":
		return nil, &iam.Error{Kind: iam.ResourceExhausted, Message: "Too many attempts", RetryAfter: 40 * time.Second}
	case strings.ReplaceAll(m.GetCode(), " ", "") != goodCode && m.GetRecoveryCode() != goodRecovery:
		return nil, &iam.Error{Kind: iam.Unauthenticated, Message: "The code is wrong", Reason: "code_wrong"}
	}
	return g.open(login, m.GetClient()), nil
}

// everMade keeps the sessions of all towns apart.
var everMade atomic.Int64

// open begins a session.
func (g *town) open(login string, c *propuskpb.Client) proto.Message {
	cookie := fmt.Sprintf("c1.session-%d.%s", everMade.Add(1), strings.Repeat("x", 86))
	former := g.sessions[c.GetFormerSession()]
	continued := former != nil && former.GetLogin() == login
	if continued {
		delete(g.sessions, c.GetFormerSession())
	}
	g.sessions[cookie], g.began[cookie], g.programs[cookie] = g.person(login), today.Add(g.ahead), allowedPrograms(login)
	g.lists[cookie] = []*propuskpb.AccountSession{
		{Id: "aje0session000000001", CreatedAt: at(0), LastSeenAt: at(0), Address: c.GetAddress(), UserAgent: c.GetUserAgent(), Current: true, SecondFactor: login == "bob"},
		{Id: "aje0session000000002", CreatedAt: at(3 * time.Hour), LastSeenAt: at(20 * time.Minute), Address: "203.0.113.7",
			UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"},
		{Id: "aje0session000000003", CreatedAt: at(11 * time.Hour), LastSeenAt: at(9 * time.Hour), Address: "2001:db8::7", UserAgent: "<b>nothing known</b>"},
	}
	g.tokens[cookie] = []*propuskpb.PersonOAuthToken{
		{Id: "aje0oauth0000000000a", ClientId: publicClient, Description: "laptop <1>", MaskedToken: "y0_AgAA****eHl6", CreatedAt: at(100 * day), ExpiresAt: at(-265 * day), LastUsedAt: at(2 * day)},
		{Id: "aje0oauth0000000000b", ClientId: "some-other-client", MaskedToken: "y0_AgAB****MTIz", CreatedAt: at(5 * day), ExpiresAt: at(-360 * day)},
	}
	if login == "nobody" {
		g.tokens[cookie] = nil
	}
	return &propuskpb.SignInResponse{Result: &propuskpb.SignInResponse_Session_{Session: &propuskpb.SignInResponse_Session{Cookie: cookie, ExpiresAt: at(-12 * time.Hour), Continued: continued}}}
}

func (g *town) confirm(m *propuskpb.ConfirmTotpRequest) (proto.Message, error) {
	if m.GetCode() != goodCode {
		e := iam.InvalidField("code", "is wrong")
		e.Reason = "code_wrong"
		return nil, e
	}
	g.sessions[m.GetSession()].SecondFactors = &propuskpb.SecondFactors{TotpAddedAt: at(0), RecoveryCodesLeft: 10}
	out := &propuskpb.ConfirmTotpResponse{}
	for i := range 10 {
		out.RecoveryCodes = append(out.RecoveryCodes, fmt.Sprintf("k7wq-3mzd-x%df%c", i, 'a'+i))
	}
	return out, nil
}

func (g *town) revoke(m *propuskpb.RevokePersonOAuthTokenRequest) (proto.Message, error) {
	list := g.tokens[m.GetSession()]
	for i, t := range list {
		if t.GetId() == m.GetOauthTokenId() {
			g.tokens[m.GetSession()] = append(list[:i:i], list[i+1:]...)
			return &propuskpb.RevokePersonOAuthTokenResponse{}, nil
		}
	}
	return nil, iam.Errorf(iam.NotFound, "OAuth token %s not found", m.GetOauthTokenId())
}

// last is the last call.
func (g *town) last() asked {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[len(g.asked)-1]
}

// calls counts the calls so far.
func (g *town) calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.asked)
}
