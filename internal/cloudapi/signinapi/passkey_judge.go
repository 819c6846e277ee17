package signinapi

import (
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/passkey"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// judgement is of one assertion. Its methods set wrong and fail only as the store
// does: what is wrong with an answer must not undo the lines about it.
type judgement struct {
	p         *Passkeys
	site      passkey.Site
	assertion *propuskpb.PasskeyAssertion
	challenge string
	end       time.Time // of the challenge
	verified  bool      // the device must have verified the person

	seen  *passkey.Presence
	wrong error
}

// open looks which challenge an assertion answers, and whether it may.
func (p *Passkeys) open(a *propuskpb.PasskeyAssertion, use string) (*judgement, error) {
	site, err := p.Site()
	if err != nil {
		return nil, errNoSite
	}
	challenge, err := passkey.ChallengeIn(a.GetClientData())
	if err != nil {
		return nil, err
	}
	end, err := p.Challenges.Check(challenge, use)
	if err != nil {
		return nil, err
	}
	return &judgement{p: p, site: site, assertion: a, challenge: challenge, end: end}, nil
}

// judge finds the passkey of the assertion, which must be of a person unless he is
// "", and looks whether it is signed.
func (j *judgement) judge(tx *store.Tx, userID string) (*iam.Passkey, error) {
	key, err := store.FindPasskey(tx, j.assertion.GetCredentialId())
	if errors.Is(err, iam.NotFound) || err == nil && userID != "" && key.UserID != userID {
		j.wrong = errors.New("the passkey is not known")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j.seen, err = j.site.Verify(j.challenge, passkey.Key{Algorithm: key.Algorithm, PublicKey: key.PublicKey}, passkey.Assertion{
		CredentialID: j.assertion.GetCredentialId(), ClientData: j.assertion.GetClientData(),
		AuthenticatorData: j.assertion.GetAuthenticatorData(), Signature: j.assertion.GetSignature(), UserHandle: j.assertion.GetUserHandle()})
	handle := string(j.assertion.GetUserHandle())
	switch {
	case err != nil:
		j.wrong = err
	case (handle != "" || j.verified) && handle != key.UserID: // section 7.2, step 6
		j.wrong = errors.New("the passkey does not say whose it is")
	case j.seen.BackedUp != key.BackedUp: // section 7.2: what was said on registering stays so
		j.wrong = errors.New("whether the passkey may leave its device was told otherwise before")
	case j.verified && !j.seen.UserVerified:
		j.wrong = errors.New("the device has not verified the person")
	}
	return key, nil
}

var errGone = errors.New("the passkey was taken away")

// use notes that a passkey was used. One whose counter went back is refused, and
// that leaves a line whatever becomes of the call.
func (j *judgement) use(tx *store.Tx, key *iam.Passkey) error {
	forward, err := store.UsePasskey(tx, key.ID, int64(j.seen.SignCount), tx.Now())
	if err != nil || forward {
		return err
	}
	if _, err := store.GetPasskey(tx, key.UserID, key.ID); errors.Is(err, iam.NotFound) {
		j.wrong = errGone
		return nil
	} else if err != nil {
		return err
	}
	j.wrong = errors.New("the counter of the passkey went back")
	return j.p.Refused(tx, key)
}
