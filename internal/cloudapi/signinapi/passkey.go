package signinapi

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/passkey"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// Passkeys prove people by their passkeys. Safe for use by many goroutines.
type Passkeys struct {
	DB *store.DB
	// Site is where passkeys work; it fails where they do not.
	Site       func() (passkey.Site, error)
	Challenges passkey.Challenges
	Addresses  *signin.Addresses
	Factors    *signin.SecondFactors
	Position   func() iam.Position
	// Refused leaves a line about a passkey whose counter went back: somebody else
	// may have the key too.
	Refused func(tx *store.Tx, p *iam.Passkey) error
}

// What a challenge is for; nobody's answer is taken for another use.
const useSignIn = "sign in"

func useSecondFactor(ticket string) string { return "second factor " + signin.TicketLookup(ticket) }

func useRegister(userID, sessionID string) string { return "register " + userID + " " + sessionID }

var (
	// errPasskey is one answer to an unknown passkey, a wrong signature, an answer to
	// something else, and a counter that went back.
	errPasskey  = &iam.Error{Kind: iam.Unauthenticated, Reason: "passkey_wrong", Message: "The passkey is not known here, or its answer does not fit"}
	errLate     = &iam.Error{Kind: iam.Unauthenticated, Reason: "passkey_late", Message: "The answer of the passkey has taken too long; begin anew"}
	errNoSite   = &iam.Error{Kind: iam.FailedPrecondition, Reason: "passkeys_off", Message: "Passkeys do not work here: they need a server that is known under a name, over TLS or on localhost; its operator says so with public-url"}
	becauseNote = "refused_because"
)

// All are the proofs by the full names of the methods; session is that of those
// who are signed in.
func (p *Passkeys) All(session proof) map[string]proof {
	all := map[string]proof{
		propuskpb.PasskeySignInService_FinishSignIn_FullMethodName:       p.alone,
		propuskpb.PasskeySignInService_FinishSecondFactor_FullMethodName: p.second,
	}
	for _, r := range PasskeyRules {
		all[r.Method] = session
	}
	return all
}

// alone proves a person by a passkey that knows whose it is, and whose device has
// verified him: two factors at once.
func (p *Passkeys) alone(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.FinishPasskeySignInRequest)
	position := p.Position()
	if err := p.Addresses.Enter(r.GetClient().GetAddress()); err != nil {
		return nil, err
	}
	j, err := p.open(r.GetAssertion(), useSignIn)
	if err != nil {
		return nil, p.refuse(ctx, err)
	}
	j.verified = true
	var key *iam.Passkey
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) { // strangers wait for no turn to write
		key, err = j.judge(tx, "")
		return err
	})
	var u *iam.UserAccount
	if err == nil && j.wrong == nil {
		u, err = p.spend(ctx, j, key)
	}
	if key != nil {
		gate.From(ctx).Note("user_account_id", key.UserID)
		gate.From(ctx).Note("passkey_id", key.ID)
	}
	if err != nil {
		return nil, err
	}
	if j.wrong != nil {
		return nil, p.refuse(ctx, j.wrong)
	}
	p.Addresses.Forgive(r.GetClient().GetAddress())
	return byPasskey(u, key, credential.HowPasskey, position)
}

// spend uses up the challenge and notes that the passkey was used.
func (p *Passkeys) spend(ctx context.Context, j *judgement, key *iam.Passkey) (u *iam.UserAccount, err error) {
	spent := &iam.Challenge{Lookup: passkey.Lookup(j.challenge), Purpose: iam.ChallengePasskey, UserID: key.UserID, ExpiresAt: j.end}
	err = p.DB.Update(ctx, func(tx *store.Tx) error {
		j.wrong = nil
		if _, err := store.GetPasskey(tx, key.UserID, key.ID); errors.Is(err, iam.NotFound) {
			j.wrong = errGone
			return nil
		} else if err != nil {
			return err
		}
		fresh, err := store.SpendChallenge(tx, spent)
		if err != nil {
			return err
		}
		if !fresh {
			j.wrong = errors.New("the challenge was answered before")
			return nil
		}
		if u, err = store.GetUserAccount(tx, key.UserID); err != nil {
			return err
		}
		return j.use(tx, key)
	})
	return u, err
}

// second proves a person who has proved his password by one of his passkeys.
func (p *Passkeys) second(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.FinishPasskeySecondFactorRequest)
	position := p.Position()
	j, wrong := p.open(r.GetAssertion(), useSecondFactor(r.GetTicket()))
	var key *iam.Passkey
	var u *iam.UserAccount
	// A wrong answer costs a try of the ticket, like a wrong code.
	userID, err := p.Factors.Prove(ctx, r.GetTicket(), signin.Code{Passkey: func(tx *store.Tx, userID string) (ok bool, err error) {
		if wrong != nil {
			return false, nil
		}
		j.wrong = nil
		if key, err = j.judge(tx, userID); err != nil || j.wrong != nil {
			return false, err
		}
		if u, err = store.GetUserAccount(tx, userID); err != nil {
			return false, err
		}
		err = j.use(tx, key)
		return j.wrong == nil, err
	}}, r.GetClient().GetAddress())
	if userID != "" {
		gate.From(ctx).Note("user_account_id", userID)
	}
	if err != nil {
		if j != nil && wrong == nil {
			wrong = j.wrong
		}
		if wrong != nil && signin.IsWrongCode(err) {
			return nil, p.refuse(ctx, wrong)
		}
		if wrong != nil && signin.IsSpent(err) { // which is told, and why is noted all the same
			_ = p.refuse(ctx, wrong)
		}
		return nil, err
	}
	gate.From(ctx).Note("passkey_id", key.ID)
	return byPasskey(u, key, credential.HowSecondFactor, position)
}

// refuse notes in the audit log why, and tells the caller nothing of it but that
// his time was over.
func (p *Passkeys) refuse(ctx context.Context, why error) error {
	if e, ok := errors.AsType[*iam.Error](why); ok {
		return e
	}
	gate.From(ctx).Note(becauseNote, why.Error())
	if errors.Is(why, passkey.ErrLate) {
		return errLate
	}
	return errPasskey
}

// byPasskey is a person whom a passkey has proved: who takes it away meanwhile
// keeps him out.
func byPasskey(u *iam.UserAccount, key *iam.Passkey, how string, position iam.Position) (*credential.Identity, error) {
	id, err := person(u, how, position)
	if err != nil {
		return nil, err
	}
	id.CredentialID = key.ID
	id.DependsOn = append(id.DependsOn, token.Dependency{Kind: token.KindCredential, ID: key.ID})
	return id, nil
}

// methodsOf are the words of RFC 8176 for a passkey. Whether its key can leave the
// device the authenticator says itself.
func methodsOf(key *iam.Passkey) []string {
	if key.BackedUp {
		return []string{methodSoftware, methodPresence}
	}
	return []string{methodDevice, methodPresence}
}

// hints are a person's passkeys as browsers are told of them.
func hints(tx *store.Tx, userID string) ([]*propuskpb.PasskeyHint, error) {
	rows, err := store.ListPasskeys(tx, userID, store.Page{Limit: mostPasskeys})
	var out []*propuskpb.PasskeyHint
	for _, row := range rows {
		out = append(out, &propuskpb.PasskeyHint{CredentialId: row.CredentialID, Transports: row.Transports})
	}
	return out, err
}

func siteProto(s passkey.Site) *propuskpb.PasskeySite {
	return &propuskpb.PasskeySite{Id: s.ID, Origins: s.Origins}
}

// offered is the site, or the empty one where passkeys do not work.
func (p *Passkeys) offered() passkey.Site {
	s, err := p.Site()
	if err != nil {
		return passkey.Site{}
	}
	return s
}

func unreadable(field string, err error) error {
	e := iam.InvalidField(field, "%s", fmt.Sprint(err))
	e.Reason = "passkey_unreadable"
	return e
}
