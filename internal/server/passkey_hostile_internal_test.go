package server

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/passkey"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// carol has no password and has just come by another provider.
func (h keys) carol(t *testing.T) string {
	t.Helper()
	u := must2(h.AddUser(t.Context(), UserAddRequest{Login: "carol"}))(t)
	secret, lookup := credential.NewSessionCookie()
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		return store.InsertSession(tx, &iam.Session{ID: "carols", UserID: u.ID, Lookup: lookup, Methods: []string{"fed"},
			CreatedAt: tx.Now(), LastSeenAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func (h keys) renewCodes(t *testing.T, cookie, password string) ([]string, error) {
	t.Helper()
	r, err := asked[*propuskpb.RenewRecoveryCodesResponse](t, h.hall, propuskpb.AccountService_RenewRecoveryCodes_FullMethodName,
		&propuskpb.RenewRecoveryCodesRequest{Session: cookie, Password: password, Client: here})
	return r.GetRecoveryCodes(), err
}

// A passkey that its device opens for anybody is no way in by itself, and so none
// for a person without a password.
func TestAPasskeyThatOpensNothingIsNotKept(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	cookie := h.carol(t)
	begun := must2(h.begin(t, cookie, ""))(t)
	d := newPasskeyDevice(t)
	d.flags = 1
	_, err := h.create(t, cookie, d, begun)
	refused(t, "nobody verified", err, iam.InvalidArgument, "attestation_object")
	if !begun.GetAlone() {
		t.Error("the browser is not told what the passkey is for")
	}
	if begun := must2(h.begin(t, h.alice(t), h.password("alice")))(t); begun.GetAlone() {
		t.Error("alice has a password")
	}
	h.passkey(t, cookie, "")
}

// What an authenticator said on registering whether the key may leave it does not
// change (Web Authentication, section 7.2).
func TestAPasskeyThatIsCarried(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	mine := h.alice(t)
	d := newPasskeyDevice(t)
	d.flags |= 8 | 16
	must2(h.create(t, mine, d, must2(h.begin(t, mine, h.password("alice")))(t)))(t)
	if m := h.methods(t, must2(h.finish(t, d.get(t, h.challenge(t))))(t)); m != "swk user mfa" {
		t.Errorf("methods %q", m)
	}
	d.flags = deviceVerified
	_, err := h.finish(t, d.get(t, h.challenge(t)))
	refused(t, "bound to the device all at once", err, iam.Unauthenticated, "passkey_wrong")
}

func TestASecondFactorThatNamesAnother(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	d, _ := h.passkey(t, h.alice(t), h.password("alice"))
	ticket := must2(h.start(t, "alice", h.password("alice")))(t).GetSecondFactor().GetTicket()
	assertion := func() *propuskpb.PasskeyAssertion { return d.get(t, must2(h.beginSecond(t, ticket))(t).GetChallenge()) }
	a := assertion()
	a.UserHandle = []byte(h.userID(t, "bob"))
	_, err := h.second(t, ticket, a)
	refused(t, "with bob's name", err, iam.Unauthenticated, "passkey_wrong")
	a = assertion()
	a.UserHandle = nil
	must2(h.second(t, ticket, a))(t)
}

// Why the last try of a ticket was refused is noted like that of the others.
func TestTheLastTryIsNoted(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	d, _ := h.passkey(t, h.alice(t), h.password("alice"))
	ticket := must2(h.start(t, "alice", h.password("alice")))(t).GetSecondFactor().GetTicket()
	reason := "passkey_wrong"
	for i := range signin.TicketTries {
		if i == signin.TicketTries-1 {
			reason = "ticket_spent"
		}
		_, err := h.second(t, ticket, d.get(t, h.challenge(t)))
		refused(t, "a challenge for something else", err, iam.Unauthenticated, reason)
	}
	if n := strings.Count(h.events(t), "refused_because"); n != signin.TicketTries {
		t.Errorf("%d of %d lines say why", n, signin.TicketTries)
	}
}

// An answered challenge is remembered until no clock nearby takes it for a new one.
func TestAnsweredChallengesStayAWhile(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	d, _ := h.passkey(t, h.alice(t), h.password("alice"))
	a := d.get(t, h.challenge(t))
	must2(h.finish(t, a))(t)
	fresh := func() (fresh bool) {
		challenge, err := passkey.ChallengeIn(a.GetClientData())
		if err == nil {
			err = h.db.Update(t.Context(), func(tx *store.Tx) (err error) {
				if err = h.cleanSignIn(tx); err == nil {
					fresh, err = store.SpendChallenge(tx, &iam.Challenge{Lookup: passkey.Lookup(challenge), Purpose: iam.ChallengePasskey, ExpiresAt: tx.Now()})
				}
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	h.advance(passkey.ChallengeLife + time.Minute)
	if fresh() {
		t.Error("it is forgotten as soon as it has expired")
	}
	h.advance(passkey.ChallengeLife)
	if !fresh() {
		t.Error("it is never forgotten")
	}
}

func TestNamesOfPasskeys(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	mine := h.alice(t)
	_, made := h.passkey(t, mine, h.password("alice"))
	for name, want := range map[string]bool{
		"Телефон": true, "مفتاح": true, "👩\u200d💻 key": true, `<script>alert(1)</script>`: true,
		"a\nb": false, "a\u2028b": false, "a\u202eb": false, "a\u2066b": false, "\u200b": false, "\u00ad\ufeff": false, "\ufe0f": false, " ": false,
	} {
		_, err := asked[*propuskpb.RenamePasskeyResponse](t, h.hall, propuskpb.PasskeyService_Rename_FullMethodName,
			&propuskpb.RenamePasskeyRequest{Session: mine, PasskeyId: made.GetPasskey().GetId(), Name: name})
		if want && err != nil {
			t.Errorf("%+q: %v", name, err)
		} else if !want {
			refused(t, name, err, iam.InvalidArgument, "name")
		}
	}
}

func TestRecoveryCodesAreRenewed(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	mine := h.alice(t)
	_, err := h.renewCodes(t, mine, h.password("alice"))
	refused(t, "without a factor", err, iam.FailedPrecondition, "")
	_, made := h.passkey(t, mine, h.password("alice"))
	_, err = h.renewCodes(t, mine, "not hers")
	refused(t, "without the password", err, iam.InvalidArgument, "password")
	codes, err := h.renewCodes(t, mine, h.password("alice"))
	if err != nil || len(codes) != 10 || must2(h.account(t, mine))(t).GetSecondFactors().GetRecoveryCodesLeft() != 10 {
		t.Fatal(err, len(codes))
	}
	use := func(code string) error {
		ticket := must2(h.start(t, "alice", h.password("alice")))(t).GetSecondFactor().GetTicket()
		_, err := asked[*propuskpb.SignInResponse](t, h.hall, propuskpb.SignInService_FinishSecondFactor_FullMethodName, &propuskpb.FinishSecondFactorRequest{
			Ticket: ticket, Client: here, Proof: &propuskpb.FinishSecondFactorRequest_RecoveryCode{RecoveryCode: code}})
		return err
	}
	refused(t, "an old code", use(made.GetRecoveryCodes()[0]), iam.Unauthenticated, "code_wrong")
	if err := use(codes[0]); err != nil {
		t.Error(err)
	}
	if events := h.events(t); !strings.Contains(events, "propusk.RenewRecoveryCodes") || strings.Contains(events, codes[1]) {
		t.Error("the audit log has no line, or a code")
	}
}

// Who has no password sets up an app, and turns it off, soon after he has signed in.
func TestAnAppWithoutAPassword(t *testing.T) {
	t.Parallel()
	h := keys{openHall(t)}
	cookie := h.carol(t)
	begin := func() error {
		_, err := asked[*propuskpb.BeginTotpResponse](t, h.hall, propuskpb.AccountService_BeginTotp_FullMethodName, &propuskpb.BeginTotpRequest{Session: cookie, Client: here})
		return err
	}
	if err := begin(); err != nil {
		t.Error(err)
	}
	h.passkey(t, cookie, "")
	if codes, err := h.renewCodes(t, cookie, ""); err != nil || len(codes) != 10 {
		t.Error(err, len(codes))
	}
	h.advance(6 * time.Minute)
	refused(t, "after a while", begin(), iam.FailedPrecondition, "sign_in_again")
	_, err := asked[*propuskpb.RemoveTotpResponse](t, h.hall, propuskpb.AccountService_RemoveTotp_FullMethodName, &propuskpb.RemoveTotpRequest{Session: cookie, Client: here})
	refused(t, "turning off after a while", err, iam.FailedPrecondition, "sign_in_again")
	_, err = h.renewCodes(t, cookie, "")
	refused(t, "codes after a while", err, iam.FailedPrecondition, "sign_in_again")
}
