package server

import (
	"encoding/base32"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream/upstreamtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// station is a hall with providers beside it.
type station struct {
	*hall
	one *upstreamtest.Provider
}

// openStation has a provider "one" of the settings given, and a provider "two".
func openStation(t *testing.T, change ...func(*SignInProvider)) *station {
	t.Helper()
	s := &station{one: upstreamtest.New(t)}
	first := SignInProvider{ID: "one", Title: "One & only", Issuer: s.one.URL, ClientID: upstreamtest.ClientID, ClientSecret: upstreamtest.ClientSecret}
	for _, c := range change {
		c(&first)
	}
	second := upstreamtest.New(t)
	s.hall = openHall(t, func(c *Config) {
		c.Providers = []SignInProvider{first, {ID: "two", Title: "Two", Issuer: second.URL, ClientID: upstreamtest.ClientID, ClientSecret: upstreamtest.ClientSecret}}
	})
	s.one.Clock(s.clock)
	return s
}

// trip is a browser that has come back.
type trip struct {
	provider string
	answer   *propuskpb.UpstreamAnswer
}

func (s *station) begin(t *testing.T, provider string) *propuskpb.UpstreamJourney {
	t.Helper()
	j, err := asked[*propuskpb.UpstreamJourney](t, s.hall, propuskpb.UpstreamService_Begin_FullMethodName, &propuskpb.BeginUpstreamRequest{Provider: provider, Client: here})
	return must(t, j, err)
}

// allow is the browser of a journey after a person has signed in at the provider.
func (s *station) allow(t *testing.T, j *propuskpb.UpstreamJourney, account upstreamtest.Claims) trip {
	t.Helper()
	u, err := url.Parse(s.one.Allow(j.GetUrl(), account))
	if err != nil || !strings.HasPrefix(u.String(), "https://id.example/login/from/one?") {
		t.Fatalf("the provider sends the browser to %s: %v", u, err)
	}
	q := u.Query()
	return trip{"one", &propuskpb.UpstreamAnswer{State: q.Get("state"), Code: q.Get("code"), Iss: q.Get("iss"), Browser: j.GetBrowser()}}
}

func (s *station) finish(t *testing.T, b trip) (*propuskpb.SignInResponse, error) {
	t.Helper()
	return asked[*propuskpb.SignInResponse](t, s.hall, propuskpb.UpstreamService_Finish_FullMethodName,
		&propuskpb.FinishUpstreamRequest{Provider: b.provider, Answer: b.answer, Client: here})
}

// come is a whole sign-in by the provider.
func (s *station) come(t *testing.T, account upstreamtest.Claims) (*propuskpb.SignInResponse, error) {
	t.Helper()
	return s.finish(t, s.allow(t, s.begin(t, "one"), account))
}

func (s *station) connect(t *testing.T, cookie, password string, account upstreamtest.Claims) error {
	t.Helper()
	j, err := asked[*propuskpb.UpstreamJourney](t, s.hall, propuskpb.UpstreamService_BeginConnection_FullMethodName,
		&propuskpb.BeginConnectionRequest{Session: cookie, Password: password, Provider: "one", Client: here})
	if err != nil {
		return err
	}
	b := s.allow(t, j, account)
	_, err = asked[*propuskpb.FinishConnectionResponse](t, s.hall, propuskpb.UpstreamService_FinishConnection_FullMethodName,
		&propuskpb.FinishConnectionRequest{Session: cookie, Provider: b.provider, Answer: b.answer, Client: here})
	return err
}

func (s *station) disconnect(t *testing.T, cookie, password, id string) error {
	t.Helper()
	_, err := asked[*propuskpb.DisconnectResponse](t, s.hall, propuskpb.UpstreamService_Disconnect_FullMethodName,
		&propuskpb.DisconnectRequest{Session: cookie, Password: password, ConnectionId: id, Client: here})
	return err
}

func (s *station) connections(t *testing.T, cookie string) *propuskpb.ListConnectionsResponse {
	t.Helper()
	r, err := asked[*propuskpb.ListConnectionsResponse](t, s.hall, propuskpb.UpstreamService_List_FullMethodName, &propuskpb.ListConnectionsRequest{Session: cookie})
	return must(t, r, err)
}

// whose is the login of whoever has signed in.
func (s *station) whose(t *testing.T, r *propuskpb.SignInResponse, err error) string {
	t.Helper()
	if err != nil || r.GetSession() == nil {
		t.Fatalf("%v, %v", r, err)
	}
	return must2(s.account(t, r.GetSession().GetCookie()))(t).GetLogin()
}

// change changes a person's row.
func (s *station) change(t *testing.T, sql func(tx *store.Tx) error) {
	t.Helper()
	if err := s.db.Update(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

var aliceThere = upstreamtest.Claims{"sub": "alice-there", "email": "alice@example.com", "email_verified": true, "name": "Alice", "preferred_username": "alice"}

func there(pairs ...any) upstreamtest.Claims {
	out := upstreamtest.Claims{}
	for k, v := range aliceThere {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

// By the subject alone nobody comes in who has not connected his account himself,
// whatever address he has there.
func TestUpstreamBySubject(t *testing.T) {
	t.Parallel()
	s := openStation(t)
	_, err := s.come(t, aliceThere)
	refused(t, "an address that somebody has", err, iam.NotFound, "account_unconnected_email")
	_, err = s.come(t, there("email_verified", false))
	refused(t, "an address of nobody's", err, iam.NotFound, "account_unconnected")
	cookie := s.alice(t)
	refused(t, "without the password", s.connect(t, cookie, "not hers", aliceThere), iam.InvalidArgument, "password")
	if err := s.connect(t, cookie, s.password("alice"), aliceThere); err != nil {
		t.Fatal(err)
	}
	r, err := s.come(t, there("email", "new@example.org"))
	if who := s.whose(t, r, err); who != "alice" {
		t.Fatalf("%s has signed in", who)
	}
	list := s.connections(t, r.GetSession().GetCookie())
	if len(list.GetConnections()) != 1 || list.GetConnections()[0].GetTitle() != "One & only" || list.GetConnections()[0].GetEmail() != "new@example.org" ||
		list.GetConnections()[0].GetLastUsedAt() == nil || len(list.GetOthers()) != 1 || !list.GetHasPassword() {
		t.Errorf("connections: %v", list)
	}
	bob := s.signIn(t, "bob", s.password("bob"))
	refused(t, "another's", s.connect(t, bob, s.password("bob"), aliceThere), iam.AlreadyExists, "")
	refused(t, "a second one", s.connect(t, cookie, s.password("alice"), there("sub", "another")), iam.AlreadyExists, "")
	id := list.GetConnections()[0].GetId()
	refused(t, "another's is not there", s.disconnect(t, bob, s.password("bob"), id), iam.NotFound, "")
	refused(t, "without the password", s.disconnect(t, cookie, "", id), iam.InvalidArgument, "password")
	if err := s.disconnect(t, cookie, s.password("alice"), id); err != nil {
		t.Fatal(err)
	}
	_, err = s.come(t, aliceThere)
	refused(t, "after it was taken away", err, iam.NotFound, "account_unconnected_email")
	log := s.events(t)
	for _, e := range []string{"propusk.ConnectExternalIdentity", "propusk.DisconnectExternalIdentity", "ApplicationLoginEvent", `"alice-there"`} {
		if !strings.Contains(log, e) {
			t.Errorf("no audit line has %s", e)
		}
	}
}

// An address leads to an account only when both sides vouch for it.
func TestUpstreamByEmail(t *testing.T) {
	t.Parallel()
	s := openStation(t, func(p *SignInProvider) { p.Match = MatchEmail })
	if _, err := s.AddUser(t.Context(), UserAddRequest{Login: "kate", Email: "Kate@Example.com"}); err != nil {
		t.Fatal(err)
	}
	for what, account := range map[string]upstreamtest.Claims{
		"not verified":       there("email_verified", false),
		"verified perhaps":   there("email_verified", 1),
		"a Kelvin sign":      there("email", "\u212aate@example.com"),
		"of nobody":          there("email", "nobody@example.com"),
		"a login":            there("email", "alice"),
		"no address":         there("email", ""),
		"with a space":       there("email", "alice@example.com "),
		"a list":             there("email", []string{"alice@example.com"}),
		"one under EMAIL":    there("email", "", "EMAIL", "alice@example.com"),
		"a look-alike":       there("email", "аlice@example.com"),
		"with a NUL":         there("email", "alice@example.com\x00"),
		"an address as name": there("email", "", "preferred_username", "alice@example.com"),
	} {
		if _, err := s.come(t, account); iam.KindOf(err) != iam.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Somebody has taken the address without proving that it is his, and waits for
	// whose it is.
	squatter := &iam.UserAccount{ID: "ajesquatter000000000", Login: "squatter", Email: "victim@example.com", EmailUnverified: true, CreatedAt: time.Now()}
	s.change(t, func(tx *store.Tx) error { return store.InsertUserAccount(tx, squatter) })
	_, err := s.come(t, there("sub", "victim", "email", "victim@example.com"))
	refused(t, "an address that nobody vouches for here", err, iam.NotFound, "account_unconnected")

	r, err := s.come(t, aliceThere)
	if who := s.whose(t, r, err); who != "alice" {
		t.Fatalf("%s has signed in", who)
	}
	_, err = s.come(t, there("sub", "another alice")) // the address was given to somebody else there
	refused(t, "another account with the same address", err, iam.NotFound, "account_unconnected")
	r, err = s.come(t, there("sub", "kate", "email", "KATE@EXAMPLE.COM")) // capitals make no other address
	if who := s.whose(t, r, err); who != "kate" {
		t.Fatalf("%s has signed in", who)
	}
	r, err = s.come(t, there("email", "bob@example.com")) // the subject is who it is
	if who := s.whose(t, r, err); who != "alice" {
		t.Fatalf("%s has signed in", who)
	}
}

// Accounts are made for those who have none, where the config says so.
func TestUpstreamCreates(t *testing.T) {
	t.Parallel()
	s := openStation(t, func(p *SignInProvider) { p.Create = true })
	s.change(t, func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, &iam.UserAccount{ID: "ajesquatter000000000", Login: "squatter", Email: "victim@example.com", EmailUnverified: true, CreatedAt: time.Now()})
	})
	for _, email := range []string{"alice@example.com", "Alice@EXAMPLE.com"} {
		_, err := s.come(t, there("email", email))
		refused(t, "who has an account", err, iam.NotFound, "account_unconnected_email")
	}
	for _, c := range []struct {
		account      upstreamtest.Claims
		login, email string // of the login, its beginning
	}{
		{there("sub", "1", "email", "carol@example.com", "preferred_username", "Carol.D"), "carol.d", "carol@example.com"},
		{there("sub", "2", "email", "dave@example.com", "preferred_username", "alice"), "dave", "dave@example.com"},
		{there("sub", "3", "email", "alice@evil.example", "email_verified", false, "preferred_username", "alice"), "alice-", ""},
		{there("sub", "4", "email", "victim@example.com", "preferred_username", "<script>"), "script", ""},
		{there("sub", "5", "email", "", "preferred_username", "Вася"), "user", ""},
		{there("sub", "6", "email", "", "preferred_username", "aje1234567890abcdefg"), "aje1234567890abcdef", ""},
		{there("sub", "7", "email", "", "preferred_username", "alice@example.com"), "alice-", ""},
	} {
		r, err := s.come(t, c.account)
		if err != nil {
			t.Errorf("%v: %v", c.account, err)
			continue
		}
		a := must2(s.account(t, r.GetSession().GetCookie()))(t)
		if !strings.HasPrefix(a.GetLogin(), c.login) || a.GetEmail() != c.email || a.GetId() == s.Dev().AliceID || !a.GetSession().GetCurrent() {
			t.Errorf("%v: %v", c.account, a)
		}
		again, err := s.come(t, c.account)
		if who := s.whose(t, again, err); who != a.GetLogin() {
			t.Errorf("%s comes again as %s", a.GetLogin(), who)
		}
	}
	// Who was made here has no other way in.
	r, err := s.come(t, there("sub", "1"))
	cookie := must(t, r, err).GetSession().GetCookie()
	list := s.connections(t, cookie)
	if list.GetHasPassword() {
		t.Error("a password from nowhere")
	}
	refused(t, "the last way in", s.disconnect(t, cookie, "", list.GetConnections()[0].GetId()), iam.FailedPrecondition, "last_way_in")
	if n := len(s.connections(t, cookie).GetConnections()); n != 1 {
		t.Errorf("%d connections are left", n)
	}
	s.advance(20 * time.Minute)
	refused(t, "a sign-in of long ago", s.disconnect(t, cookie, "", list.GetConnections()[0].GetId()), iam.FailedPrecondition, "sign_in_again")
	if log := s.events(t); !strings.Contains(log, "propusk.CreateUserAccount") {
		t.Error("no audit line of a new account")
	}
}

func TestUpstreamOrganizations(t *testing.T) {
	t.Parallel()
	var organization string
	s := openStation(t, func(p *SignInProvider) { p.Create = true })
	organization = s.Dev().OrganizationID
	s.upstream.List()[0].Organizations = []string{organization, "bpfgone0000000000000"}
	r, err := s.come(t, there("sub", "1", "email", "carol@example.com"))
	a := must2(s.account(t, must(t, r, err).GetSession().GetCookie()))(t)
	if len(a.GetOrganizations()) != 1 || a.GetOrganizations()[0].GetId() != organization {
		t.Errorf("organizations: %v", a.GetOrganizations())
	}
	if log := s.events(t); !strings.Contains(log, "CreateMembership") || !strings.Contains(log, "bpfgone0000000000000") {
		t.Error("no audit line of the membership, or of the one that is none")
	}
}

// A journey is one browser's, goes to one provider, and ends once.
func TestUpstreamJourneys(t *testing.T) {
	t.Parallel()
	s := openStation(t, func(p *SignInProvider) { p.Match = MatchEmail })
	other := s.begin(t, "one")
	trips := map[string]func() trip{
		"another browser": func() trip {
			b := s.allow(t, s.begin(t, "one"), aliceThere)
			b.answer.Browser = other.GetBrowser()
			return b
		},
		"no browser":       func() trip { b := s.allow(t, s.begin(t, "one"), aliceThere); b.answer.Browser = ""; return b },
		"another state":    func() trip { b := s.allow(t, s.begin(t, "one"), aliceThere); b.answer.State += "x"; return b },
		"no state":         func() trip { b := s.allow(t, s.begin(t, "one"), aliceThere); b.answer.State = ""; return b },
		"another provider": func() trip { b := s.allow(t, s.begin(t, "one"), aliceThere); b.provider = "two"; return b },
		"a state made up": func() trip {
			return trip{"one", &propuskpb.UpstreamAnswer{State: "us1.x", Code: "x", Browser: "ub1.x"}}
		},
		"too late":          func() trip { b := s.allow(t, s.begin(t, "one"), aliceThere); s.advance(11 * time.Minute); return b },
		"one of connecting": func() trip { return s.connecting(t) },
	}
	for what, make := range trips {
		_, err := s.finish(t, make())
		refused(t, what, err, iam.Unauthenticated, "journey_ended")
	}
	mixed := s.allow(t, s.begin(t, "one"), aliceThere)
	mixed.answer.Iss = "https://evil.example"
	_, err := s.finish(t, mixed)
	refused(t, "an answer of another provider", err, iam.Unauthenticated, "provider_answer")
	b := s.allow(t, s.begin(t, "one"), aliceThere)
	if _, err := s.finish(t, b); err != nil {
		t.Fatal(err)
	}
	_, err = s.finish(t, b)
	refused(t, "once more", err, iam.Unauthenticated, "journey_ended")
	_, err = s.finish(t, mixed)
	refused(t, "after a refusal", err, iam.Unauthenticated, "journey_ended")
	declined := s.begin(t, "one")
	u, _ := url.Parse(declined.GetUrl())
	_, err = s.finish(t, trip{"one", &propuskpb.UpstreamAnswer{State: u.Query().Get("state"), Error: "access_denied", Iss: s.one.URL, Browser: declined.GetBrowser()}})
	refused(t, "who has said no", err, iam.Unauthenticated, "provider_declined")
	_, err = s.finish(t, trip{"nobody", b.answer})
	refused(t, "a provider of nobody", err, iam.NotFound, "provider_unknown")
	log := s.events(t)
	for _, secret := range []string{b.answer.GetCode(), b.answer.GetState(), b.answer.GetBrowser(), upstreamtest.ClientSecret} {
		if strings.Contains(log, secret) {
			t.Error("a secret is in the audit log")
		}
	}
}

// connecting is a browser that has come back to connect an account.
func (s *station) connecting(t *testing.T) trip {
	t.Helper()
	j, err := asked[*propuskpb.UpstreamJourney](t, s.hall, propuskpb.UpstreamService_BeginConnection_FullMethodName,
		&propuskpb.BeginConnectionRequest{Session: s.alice(t), Password: s.password("alice"), Provider: "one", Client: here})
	return s.allow(t, must(t, j, err), aliceThere)
}

// An account elsewhere is connected in the session that has set out for it.
func TestConnectionsDoNotMix(t *testing.T) {
	t.Parallel()
	s := openStation(t)
	for what, come := range map[string]func() trip{
		"another session":      func() trip { return s.connecting(t) },
		"a journey to sign in": func() trip { return s.allow(t, s.begin(t, "one"), aliceThere) },
	} {
		for _, cookie := range []string{s.signIn(t, "bob", s.password("bob")), s.alice(t)} {
			_, err := asked[*propuskpb.FinishConnectionResponse](t, s.hall, propuskpb.UpstreamService_FinishConnection_FullMethodName,
				&propuskpb.FinishConnectionRequest{Session: cookie, Provider: "one", Answer: come().answer, Client: here})
			refused(t, what, err, iam.FailedPrecondition, "journey_ended")
			if n := len(s.connections(t, cookie).GetConnections()); n != 0 {
				t.Errorf("%s: %d connections", what, n)
			}
		}
	}
	_, err := asked[*propuskpb.FinishConnectionResponse](t, s.hall, propuskpb.UpstreamService_FinishConnection_FullMethodName,
		&propuskpb.FinishConnectionRequest{Session: "c1.nobody", Provider: "one", Answer: s.connecting(t).answer, Client: here})
	refused(t, "without a session", err, iam.Unauthenticated, "session_ended")
}

// A second factor is asked for here, whatever the provider has asked; the session
// says how it began.
func TestUpstreamSecondFactor(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		s := openStation(t, func(p *SignInProvider) { p.Match, p.TrustSecondFactor = MatchEmail, trusted })
		cookie := s.alice(t)
		b := must2(asked[*propuskpb.BeginTotpResponse](t, s.hall, propuskpb.AccountService_BeginTotp_FullMethodName,
			&propuskpb.BeginTotpRequest{Session: cookie, Password: s.password("alice"), Client: here}))(t)
		secret := must2(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(b.GetSecret()))(t)
		must2(asked[*propuskpb.ConfirmTotpResponse](t, s.hall, propuskpb.AccountService_ConfirmTotp_FullMethodName,
			&propuskpb.ConfirmTotpRequest{Session: cookie, Code: totpAt(secret, s.clock()), Client: here}))(t)
		r := must2(s.come(t, aliceThere))(t)
		methods := "fed"
		if !trusted {
			if r.GetSession() != nil || r.GetSecondFactor().GetTicket() == "" {
				t.Fatalf("a session without the second factor: %v", r)
			}
			s.advance(time.Minute)
			r = must2(asked[*propuskpb.SignInResponse](t, s.hall, propuskpb.SignInService_FinishSecondFactor_FullMethodName, &propuskpb.FinishSecondFactorRequest{
				Ticket: r.GetSecondFactor().GetTicket(), Proof: &propuskpb.FinishSecondFactorRequest_Code{Code: totpAt(secret, s.clock())}, Client: here}))(t)
			methods = "fed otp mfa"
		}
		var began []string
		a := must2(s.account(t, r.GetSession().GetCookie()))(t)
		s.change(t, func(tx *store.Tx) error {
			row, err := store.GetSession(tx, a.GetSession().GetId())
			if err == nil {
				began = row.Methods
			}
			return err
		})
		if got := strings.Join(began, " "); got != methods {
			t.Errorf("trusted %v: the session began by %q, want %q", trusted, got, methods)
		}
	}
}

// Who is suspended is told so after the provider has proved him, and gets nothing.
func TestUpstreamSuspended(t *testing.T) {
	t.Parallel()
	s := openStation(t, func(p *SignInProvider) { p.Match = MatchEmail })
	s.change(t, func(tx *store.Tx) error {
		_, err := store.SetUserAccountStatus(tx, s.Dev().AliceID, iam.UserAccountSuspended, "a test")
		return err
	})
	for range 2 {
		_, err := s.come(t, aliceThere)
		refused(t, "suspended", err, iam.FailedPrecondition, "account_suspended")
	}
	_, err := s.come(t, there("email_verified", false))
	refused(t, "somebody who has not proved it", err, iam.NotFound, "account_unconnected")
	s.change(t, func(tx *store.Tx) error {
		if _, err := store.FindExternalIdentity(tx, s.one.URL, "alice-there"); err == nil {
			t.Error("a suspended person's account was connected")
		}
		_, err := store.SetUserAccountStatus(tx, s.Dev().AliceID, iam.UserAccountActive, "")
		return err
	})
	if r, err := s.come(t, aliceThere); s.whose(t, r, err) != "alice" {
		t.Error("not alice")
	}
}

// Strangers who set out again and again are slowed down, and keep nobody else out.
func TestUpstreamStorm(t *testing.T) {
	t.Parallel()
	s := openStation(t)
	begin := func(address string) error {
		_, err := asked[*propuskpb.UpstreamJourney](t, s.hall, propuskpb.UpstreamService_Begin_FullMethodName,
			&propuskpb.BeginUpstreamRequest{Provider: "one", Client: &propuskpb.Client{Address: address}})
		return err
	}
	for i := range 51 {
		if err := begin("192.0.2.99"); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
	}
	refused(t, "too many", begin("192.0.2.99"), iam.ResourceExhausted, "too_many_attempts")
	if err := begin("192.0.2.98"); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
}
