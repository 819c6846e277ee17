package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// passkeyAsk is what the script of passkeys reads beside a form: what to ask the
// browser for. Bytes are base64url.
type passkeyAsk struct {
	Kind       string         `json:"kind"` // get or create
	Site       string         `json:"site"`
	Origins    []string       `json:"origins"`
	Challenge  string         `json:"challenge"`
	Verify     string         `json:"verify"`  // whether the device asks who it is
	Timeout    int            `json:"timeout"` // milliseconds
	Known      []knownPasskey `json:"known,omitempty"`
	Offer      bool           `json:"offer,omitempty"` // in the login's field, too
	Title      string         `json:"title,omitempty"`
	User       string         `json:"user,omitempty"`
	Login      string         `json:"login,omitempty"`
	Name       string         `json:"name,omitempty"`
	Algorithms []int64        `json:"algorithms,omitempty"`

	factors []propuskpb.Factor
}

type knownPasskey struct {
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

const passkeyTimeout = 2 * 60 * 1000 // milliseconds; a challenge is good for longer

// Text is the whole, for an attribute.
func (a *passkeyAsk) Text() (string, error) {
	b, err := json.Marshal(a)
	return string(b), err
}

// Here is where passkeys work.
func (a *passkeyAsk) Here() string { return strings.Join(a.Origins, ", ") }

// ByApp tells whether a code of an app would do as well.
func (a *passkeyAsk) ByApp() bool { return slices.Contains(a.factors, propuskpb.Factor_TOTP) }

func newPasskeyAsk(kind string, site *propuskpb.PasskeySite, challenge, verify string, hints []*propuskpb.PasskeyHint) *passkeyAsk {
	a := &passkeyAsk{Kind: kind, Site: site.GetId(), Origins: site.GetOrigins(), Challenge: challenge, Verify: verify, Timeout: passkeyTimeout}
	for _, h := range hints {
		a.Known = append(a.Known, knownPasskey{base64.RawURLEncoding.EncodeToString(h.GetCredentialId()), h.GetTransports()})
	}
	return a
}

// aside makes a call that a page can do without, and leaves the request id to what
// the page is about.
func aside[R any](v *visit, call func() (R, error)) (R, bool) {
	id := v.requestID
	answer, err := call()
	v.requestID = id
	return answer, err == nil
}

// PasskeySignIn is the challenge of a sign-in page; nil where passkeys do not work.
func (p *page) PasskeySignIn() *passkeyAsk {
	answer, ok := aside(p.v, func() (*propuskpb.BeginPasskeySignInResponse, error) {
		return ask[*propuskpb.BeginPasskeySignInResponse](p.v, propuskpb.PasskeySignInService_BeginSignIn_FullMethodName, &propuskpb.BeginPasskeySignInRequest{})
	})
	if !ok || answer.GetSite().GetId() == "" {
		return nil
	}
	a := newPasskeyAsk("get", answer.GetSite(), answer.GetChallenge(), "required", nil)
	a.Offer = true
	return a
}

// passkeyFactor is the challenge of a second factor; nil for those without a passkey.
func (v *visit) passkeyFactor() *passkeyAsk {
	answer, ok := aside(v, func() (*propuskpb.BeginPasskeySecondFactorResponse, error) {
		return ask[*propuskpb.BeginPasskeySecondFactorResponse](v, propuskpb.PasskeySignInService_BeginSecondFactor_FullMethodName,
			&propuskpb.BeginPasskeySecondFactorRequest{Ticket: v.cookie(ticketCookie)})
	})
	if !ok || len(answer.GetPasskeys()) == 0 {
		return nil
	}
	a := newPasskeyAsk("get", answer.GetSite(), answer.GetChallenge(), "discouraged", answer.GetPasskeys())
	a.factors = answer.GetFactors()
	return a
}

// finishPasskey signs a person in by a passkey alone.
func (v *visit) finishPasskey() error {
	back := v.form["return"]
	assertion, err := v.assertion()
	if err != nil {
		return err
	}
	answer, err := ask[*propuskpb.SignInResponse](v, propuskpb.PasskeySignInService_FinishSignIn_FullMethodName,
		&propuskpb.FinishPasskeySignInRequest{Assertion: assertion, Client: v.signer()})
	if err == nil {
		return v.signedIn(answer, back)
	}
	if wrong := v.explainPasskey(err); wrong != nil {
		return v.signInPage(back, "", wrong)
	}
	return err
}

// explainPasskey words a refusal of a passkey. What exactly was wrong nobody is told.
func (v *visit) explainPasskey(err error) *mistakes {
	switch {
	case isReason(err, "passkey_late"):
		return &mistakes{status: http.StatusUnauthorized, Form: &mistake{Key: "mistake.passkey_late"}}
	case isReason(err, "passkeys_off"), errors.Is(err, iam.InvalidArgument):
		return &mistakes{status: http.StatusBadRequest, Form: &mistake{Key: "mistake.passkey"}}
	}
	return v.explainSignIn(err, "mistake.passkey")
}

// finishPasskeyFactor is finishSignIn with a passkey.
func (v *visit) finishPasskeyFactor() error {
	back, ticket := v.form["return"], v.cookie(ticketCookie)
	if ticket == "" {
		v.goTo(withReturn("/login", back, "begin_again"))
		return nil
	}
	assertion, err := v.assertion()
	if err != nil {
		return err
	}
	answer, err := ask[*propuskpb.SignInResponse](v, propuskpb.PasskeySignInService_FinishSecondFactor_FullMethodName,
		&propuskpb.FinishPasskeySecondFactorRequest{Ticket: ticket, Assertion: assertion, Client: v.signer()})
	switch {
	case err == nil:
		return v.signedIn(answer, back)
	case isReason(err, ticketExpired), isReason(err, ticketSpent):
		v.dropCookie(ticketCookie)
		v.goTo(withReturn("/login", back, "begin_again"))
		return nil
	case isReason(err, codeWrong):
		return v.secondFactorPage(back, false, &mistakes{status: http.StatusUnauthorized, Form: &mistake{Key: "mistake.passkey"}})
	}
	if wrong := v.explainPasskey(err); wrong != nil {
		return v.secondFactorPage(back, false, wrong)
	}
	return err
}

// assertion reads the fields that the script has filled.
func (v *visit) assertion() (*propuskpb.PasskeyAssertion, error) {
	out := &propuskpb.PasskeyAssertion{}
	for name, into := range map[string]*[]byte{"credential_id": &out.CredentialId, "client_data": &out.ClientData,
		"authenticator_data": &out.AuthenticatorData, "signature": &out.Signature, "user_handle": &out.UserHandle} {
		b, err := base64.RawURLEncoding.DecodeString(v.form[name])
		if err != nil {
			return nil, refused(http.StatusBadRequest, "error.form")
		}
		*into = b
	}
	return out, nil
}
