package server

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// keys are the calls about passkeys, of one hall.
type keys struct{ *hall }

func (h keys) begin(t *testing.T, cookie, password string) (*propuskpb.BeginPasskeyResponse, error) {
	return asked[*propuskpb.BeginPasskeyResponse](t, h.hall, propuskpb.PasskeyService_Begin_FullMethodName,
		&propuskpb.BeginPasskeyRequest{Session: cookie, Password: password, Client: here})
}

func (h keys) create(t *testing.T, cookie string, d *passkeyDevice, b *propuskpb.BeginPasskeyResponse) (*propuskpb.CreatePasskeyResponse, error) {
	t.Helper()
	m := &propuskpb.CreatePasskeyRequest{Session: cookie, Name: " Phone ", Transports: []string{"internal"}, Client: here}
	m.ClientData, m.AttestationObject = d.create(t, b)
	return asked[*propuskpb.CreatePasskeyResponse](t, h.hall, propuskpb.PasskeyService_Create_FullMethodName, m)
}

// passkey gives a signed-in person a passkey.
func (h keys) passkey(t *testing.T, cookie, password string) (*passkeyDevice, *propuskpb.CreatePasskeyResponse) {
	t.Helper()
	d := newPasskeyDevice(t)
	return d, must2(h.create(t, cookie, d, must2(h.begin(t, cookie, password))(t)))(t)
}

func (h keys) challenge(t *testing.T) string {
	t.Helper()
	return must2(asked[*propuskpb.BeginPasskeySignInResponse](t, h.hall, propuskpb.PasskeySignInService_BeginSignIn_FullMethodName, &propuskpb.BeginPasskeySignInRequest{}))(t).GetChallenge()
}

func (h keys) finish(t *testing.T, a *propuskpb.PasskeyAssertion) (*propuskpb.SignInResponse, error) {
	t.Helper()
	return asked[*propuskpb.SignInResponse](t, h.hall, propuskpb.PasskeySignInService_FinishSignIn_FullMethodName, &propuskpb.FinishPasskeySignInRequest{Assertion: a, Client: here})
}

func (h keys) second(t *testing.T, ticket string, a *propuskpb.PasskeyAssertion) (*propuskpb.SignInResponse, error) {
	t.Helper()
	return asked[*propuskpb.SignInResponse](t, h.hall, propuskpb.PasskeySignInService_FinishSecondFactor_FullMethodName,
		&propuskpb.FinishPasskeySecondFactorRequest{Ticket: ticket, Assertion: a, Client: here})
}

func (h keys) beginSecond(t *testing.T, ticket string) (*propuskpb.BeginPasskeySecondFactorResponse, error) {
	return asked[*propuskpb.BeginPasskeySecondFactorResponse](t, h.hall, propuskpb.PasskeySignInService_BeginSecondFactor_FullMethodName, &propuskpb.BeginPasskeySecondFactorRequest{Ticket: ticket})
}

func (h keys) remove(t *testing.T, cookie, id, password string) error {
	_, err := asked[*propuskpb.RemovePasskeyResponse](t, h.hall, propuskpb.PasskeyService_Remove_FullMethodName,
		&propuskpb.RemovePasskeyRequest{Session: cookie, PasskeyId: id, Password: password, Client: here})
	return err
}

// methods are those that the session of a cookie began with.
func (h keys) methods(t *testing.T, r *propuskpb.SignInResponse) string {
	t.Helper()
	var words []string
	var second bool
	err := h.db.View(t.Context(), func(tx *store.Tx) error {
		session, err := store.GetSession(tx, must2(h.account(t, r.GetSession().GetCookie()))(t).GetSession().GetId())
		if err == nil {
			words, second = session.Methods, session.SecondFactor
		}
		return err
	})
	if err != nil || second != slices.Contains(words, "mfa") {
		t.Errorf("%v: second factor %v, of %v", err, second, words)
	}
	return strings.Join(words, " ")
}

func TestAPasskeyAlone(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	mine, other := h.alice(t), h.alice(t)
	_, err := h.begin(t, mine, "not hers")
	refused(t, "without the password", err, iam.InvalidArgument, "password")
	begun := must2(h.begin(t, mine, h.password("alice")))(t)
	if s := begun.GetSite(); s.GetId() != "id.example" || !slices.Equal(s.GetOrigins(), []string{"https://id.example"}) || bytes.Contains(begun.GetUserHandle(), []byte("alice")) {
		t.Errorf("%v", begun)
	}
	d := newPasskeyDevice(t)
	_, err = h.create(t, other, d, begun)
	refused(t, "in another session", err, iam.InvalidArgument, "client_data")
	made := must2(h.create(t, mine, d, begun))(t)
	if made.GetPasskey().GetName() != "Phone" || len(made.GetRecoveryCodes()) != 10 {
		t.Errorf("%v", made)
	}
	_, err = h.account(t, other)
	refused(t, "a session by the password alone", err, iam.Unauthenticated, "session_ended")
	_, err = h.create(t, mine, newPasskeyDevice(t), begun)
	refused(t, "the challenge twice", err, iam.InvalidArgument, "client_data")
	_, err = h.create(t, mine, d, must2(h.begin(t, mine, h.password("alice")))(t))
	refused(t, "the credential twice", err, iam.AlreadyExists, "")
	if a := must2(h.account(t, mine))(t).GetSecondFactors(); a.GetPasskeys() != 1 || a.GetRecoveryCodesLeft() != 10 {
		t.Errorf("%v", a)
	}

	r := must2(h.finish(t, d.get(t, h.challenge(t))))(t)
	if m := h.methods(t, r); m != "hwk user mfa" {
		t.Errorf("methods %q", m)
	}
	d.flags |= 8 // may be carried from device to device, now
	_, err = h.finish(t, d.get(t, h.challenge(t)))
	refused(t, "a passkey that has changed", err, iam.Unauthenticated, "passkey_wrong")
	d.flags = deviceVerified
	list := must2(asked[*propuskpb.ListPasskeysResponse](t, h.hall, propuskpb.PasskeyService_List_FullMethodName, &propuskpb.ListPasskeysRequest{Session: mine}))(t)
	if p := list.GetPasskeys(); len(p) != 1 || p[0].GetLastUsedAt() == nil || list.GetSite().GetId() != "id.example" {
		t.Errorf("%v", list)
	}
	if _, err := h.SuspendUser(t.Context(), UserSuspendRequest{User: "alice"}); err != nil {
		t.Fatal(err)
	}
	_, err = h.finish(t, d.get(t, h.challenge(t)))
	refused(t, "suspended", err, iam.FailedPrecondition, "account_suspended")
	_, err = h.finish(t, newPasskeyDevice(t).get(t, h.challenge(t)))
	refused(t, "a stranger's", err, iam.Unauthenticated, "passkey_wrong")
}

// Whatever is wrong, a stranger is told one thing.
func TestPasskeysThatAreRefused(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	d, _ := h.passkey(t, h.alice(t), h.password("alice"))
	bobs, _ := h.passkey(t, h.signIn(t, "bob", h.password("bob")), h.password("bob"))
	ticket := must2(h.start(t, "alice", h.password("alice")))(t).GetSecondFactor().GetTicket()
	spent := h.challenge(t)
	must2(h.finish(t, d.get(t, spent)))(t)
	texts := map[string]bool{}
	for what, a := range map[string]func() *propuskpb.PasskeyAssertion{
		"an unknown passkey": func() *propuskpb.PasskeyAssertion { return newPasskeyDevice(t).get(t, h.challenge(t)) },
		"a wrong signature": func() *propuskpb.PasskeyAssertion {
			a := d.get(t, h.challenge(t))
			a.Signature = bobs.get(t, h.challenge(t)).GetSignature()
			return a
		},
		"another's name": func() *propuskpb.PasskeyAssertion {
			a := d.get(t, h.challenge(t))
			a.UserHandle = bobs.handle
			return a
		},
		"no name": func() *propuskpb.PasskeyAssertion {
			a := d.get(t, h.challenge(t))
			a.UserHandle = nil
			return a
		},
		"nobody verified": func() *propuskpb.PasskeyAssertion { e := *d; e.flags = 1; return e.get(t, h.challenge(t)) },
		"another page": func() *propuskpb.PasskeyAssertion {
			e := *d
			e.origin = "https://evil.example"
			return e.get(t, h.challenge(t))
		},
		"a challenge twice": func() *propuskpb.PasskeyAssertion { return d.get(t, spent) },
		"no challenge":      func() *propuskpb.PasskeyAssertion { return d.get(t, "AAAA") },
		"a ticket's":        func() *propuskpb.PasskeyAssertion { return d.get(t, must2(h.beginSecond(t, ticket))(t).GetChallenge()) },
		"a count of before": func() *propuskpb.PasskeyAssertion { e := *d; e.count = 0; return e.get(t, h.challenge(t)) },
		"client data of none": func() *propuskpb.PasskeyAssertion {
			a := d.get(t, h.challenge(t))
			a.ClientData = []byte("{}")
			return a
		},
	} {
		_, err := h.finish(t, a())
		refused(t, what, err, iam.Unauthenticated, "passkey_wrong")
		if err != nil {
			texts[err.Error()] = true
		}
	}
	if len(texts) != 1 {
		t.Errorf("strangers are told %v", texts)
	}
	if n := strings.Count(h.events(t), "propusk.RefusePasskey"); n != 1 {
		t.Errorf("%d lines about counters", n)
	}
	old := h.challenge(t)
	h.advance(5 * time.Minute)
	_, err := h.finish(t, d.get(t, old))
	refused(t, "too late", err, iam.Unauthenticated, "passkey_late")
	if err := h.db.Update(t.Context(), h.cleanSignIn); err != nil {
		t.Fatal(err)
	}
}

func TestAPasskeyAfterAPassword(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	d, made := h.passkey(t, h.alice(t), h.password("alice"))
	bobs, _ := h.passkey(t, h.signIn(t, "bob", h.password("bob")), h.password("bob"))
	ticketOf := func(login string) string {
		t.Helper()
		s := must2(h.start(t, login, h.password(login)))(t).GetSecondFactor()
		if want := []propuskpb.Factor{propuskpb.Factor_PASSKEY, propuskpb.Factor_RECOVERY_CODE}; !slices.Equal(s.GetFactors(), want) {
			t.Fatalf("factors of %s: %v", login, s)
		}
		return s.GetTicket()
	}
	ticket := ticketOf("alice")
	begun := must2(h.beginSecond(t, ticket))(t)
	if len(begun.GetPasskeys()) != 1 || !bytes.Equal(begun.GetPasskeys()[0].GetCredentialId(), d.id) || len(begun.GetFactors()) != 2 {
		t.Errorf("%v", begun)
	}
	_, err := h.beginSecond(t, "no ticket")
	refused(t, "no ticket", err, iam.Unauthenticated, "ticket_expired")
	d.flags = 1 // nobody need be verified
	bobsTicket := ticketOf("bob")
	_, err = h.second(t, bobsTicket, d.get(t, must2(h.beginSecond(t, bobsTicket))(t).GetChallenge()))
	refused(t, "alice's passkey for bob", err, iam.Unauthenticated, "passkey_wrong")
	_, err = h.second(t, bobsTicket, d.get(t, begun.GetChallenge()))
	refused(t, "alice's challenge for bob", err, iam.Unauthenticated, "passkey_wrong")
	_, err = h.second(t, bobsTicket, bobs.get(t, h.challenge(t)))
	refused(t, "a challenge for signing in", err, iam.Unauthenticated, "passkey_wrong")
	r := must2(h.second(t, ticket, d.get(t, begun.GetChallenge())))(t)
	if m := h.methods(t, r); m != "pwd hwk user mfa" {
		t.Errorf("methods %q", m)
	}
	_, err = h.second(t, ticket, d.get(t, begun.GetChallenge()))
	refused(t, "a ticket twice", err, iam.Unauthenticated, "ticket_expired")
	for range signin.TicketTries - 4 {
		_, err = h.second(t, bobsTicket, d.get(t, begun.GetChallenge()))
		refused(t, "another wrong one", err, iam.Unauthenticated, "passkey_wrong")
	}
	_, err = h.second(t, bobsTicket, d.get(t, begun.GetChallenge()))
	refused(t, "the last try", err, iam.Unauthenticated, "ticket_spent")

	code := func(m *propuskpb.FinishSecondFactorRequest) (*propuskpb.SignInResponse, error) {
		m.Ticket, m.Client = ticketOf("alice"), here
		return asked[*propuskpb.SignInResponse](t, h.hall, propuskpb.SignInService_FinishSecondFactor_FullMethodName, m)
	}
	r, err = code(&propuskpb.FinishSecondFactorRequest{Proof: &propuskpb.FinishSecondFactorRequest_RecoveryCode{RecoveryCode: made.GetRecoveryCodes()[0]}})
	if m := h.methods(t, must(t, r, err)); m != "pwd mfa" {
		t.Errorf("methods %q", m)
	}
	_, err = code(&propuskpb.FinishSecondFactorRequest{Proof: &propuskpb.FinishSecondFactorRequest_Code{Code: "123456"}})
	refused(t, "a code of no app", err, iam.Unauthenticated, "code_wrong")
}

func TestPasskeysAreLookedAfter(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	mine, bobs := h.alice(t), h.signIn(t, "bob", h.password("bob"))
	d, made := h.passkey(t, mine, h.password("alice"))
	id := made.GetPasskey().GetId()
	rename := func(cookie, name string) error {
		_, err := asked[*propuskpb.RenamePasskeyResponse](t, h.hall, propuskpb.PasskeyService_Rename_FullMethodName,
			&propuskpb.RenamePasskeyRequest{Session: cookie, PasskeyId: id, Name: name})
		return err
	}
	refused(t, "bob's renaming", rename(bobs, "mine"), iam.NotFound, "")
	refused(t, "a name of two lines", rename(mine, "a\nb"), iam.InvalidArgument, "name")
	refused(t, "no name", rename(mine, "  "), iam.InvalidArgument, "name")
	if err := rename(mine, "Blue key"); err != nil {
		t.Error(err)
	}
	refused(t, "bob's removing", h.remove(t, bobs, id, h.password("bob")), iam.NotFound, "")
	refused(t, "removing without the password", h.remove(t, mine, id, "x"), iam.InvalidArgument, "password")
	if err := h.remove(t, mine, id, h.password("alice")); err != nil {
		t.Fatal(err)
	}
	_, err := h.finish(t, d.get(t, h.challenge(t)))
	refused(t, "a passkey that is gone", err, iam.Unauthenticated, "passkey_wrong")
	if a := must2(h.account(t, mine))(t).GetSecondFactors(); a.GetPasskeys() != 0 || a.GetRecoveryCodesLeft() != 0 {
		t.Errorf("left: %v", a)
	}
	h.alice(t) // by the password alone

	lost, _ := h.passkey(t, mine, h.password("alice"))
	if _, err := h.SetUserPassword(t.Context(), UserPasswordRequest{User: "alice", Password: "a quite different word", RemoveSecondFactor: true}); err != nil {
		t.Fatal(err)
	}
	_, err = h.finish(t, lost.get(t, h.challenge(t)))
	refused(t, "a passkey that the operator took", err, iam.Unauthenticated, "passkey_wrong")
	h.signIn(t, "alice", "a quite different word")
}

// Who has no password proves himself by having just signed in, and keeps one way in.
func TestAPersonWithoutAPassword(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	u := must2(h.AddUser(t.Context(), UserAddRequest{Login: "carol"}))(t)
	secret, lookup := credential.NewSessionCookie()
	err := h.db.Update(t.Context(), func(tx *store.Tx) error { // as from another provider
		return store.InsertSession(tx, &iam.Session{ID: "carols", UserID: u.ID, Lookup: lookup, CreatedAt: tx.Now(), LastSeenAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	cookie := secret.Reveal()
	d, made := h.passkey(t, cookie, "")
	cookie = must2(h.finish(t, d.get(t, h.challenge(t))))(t).GetSession().GetCookie()
	refused(t, "the last way in", h.remove(t, cookie, made.GetPasskey().GetId(), ""), iam.FailedPrecondition, "last_way_in")
	second, _ := h.passkey(t, cookie, "")
	h.advance(6 * time.Minute)
	_, err = h.begin(t, cookie, "")
	refused(t, "after a while", err, iam.FailedPrecondition, "sign_in_again")
	refused(t, "removing after a while", h.remove(t, cookie, made.GetPasskey().GetId(), ""), iam.FailedPrecondition, "sign_in_again")
	cookie = must2(h.finish(t, second.get(t, h.challenge(t))))(t).GetSession().GetCookie()
	if err := h.remove(t, cookie, made.GetPasskey().GetId(), ""); err != nil {
		t.Error(err)
	}
}

func TestWherePasskeysWork(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]string{"https://id.example": "id.example", "https://192.0.2.1": "", "": "localhost"} {
		h := keys{openHall(t, func(c *Config) { c.PublicURL = public })}
		r := must2(asked[*propuskpb.BeginPasskeySignInResponse](t, h.hall, propuskpb.PasskeySignInService_BeginSignIn_FullMethodName, &propuskpb.BeginPasskeySignInRequest{}))(t)
		if r.GetSite().GetId() != want {
			t.Errorf("%q: %v", public, r.GetSite())
		}
		_, err := h.begin(t, h.alice(t), h.password("alice"))
		if want == "" {
			refused(t, public, err, iam.FailedPrecondition, "passkeys_off")
		} else if err != nil {
			t.Errorf("%q: %v", public, err)
		}
	}
}

// Of two who come with one answer at once, one gets in.
func TestAnAnswerTwiceAtOnce(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	d, _ := h.passkey(t, h.alice(t), h.password("alice"))
	a := d.get(t, h.challenge(t))
	const n = 8
	in := make(chan bool, n)
	for range n {
		go func() {
			_, err := h.finish(t, a)
			in <- err == nil
		}()
	}
	got := 0
	for range n {
		if <-in {
			got++
		}
	}
	if got != 1 {
		t.Errorf("%d got in", got)
	}
}
