package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// authorizationPath is the authorization endpoint of OAuth 2.0 (RFC 6749 section
// 3.1, OpenID Connect Core 1.0 section 3.1.2).
const authorizationPath = "/oauth/authorize"

// authorizationParameters are those of a request that this door reads; all others
// are ignored, as RFC 6749 section 3.1 wants it.
var authorizationParameters = []string{
	"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode",
	"prompt", "max_age", "dpop_jkt", "request", "request_uri", "registration", "login_hint", "id_token_hint", "ui_locales", federationHint,
}

// federationHint names the identity federation in which a person is to sign in
// [API fact: CLI login].
const federationHint = "yc_federation_hint"

// authorizing is a request of a program that the gate has looked at.
type authorizing struct {
	address       string // of this page with what it reads of the request
	request       *propuskpb.Authorization
	program       *propuskpb.OAuthProgram
	loginRequired string // where who is not signed in is sent; "" when he is to sign in
}

// checkProgramsForm sees to a POST before the gate hears of it. One that has not
// what every form of ours has is the request of a program (OpenID Connect Core 1.0
// section 3.1.2.1): the browser is to ask by a link what it says. So such a form
// does what anybody's link does and no more, and the browser sends the session's
// cookie, which it keeps from forms of other sites.
func (v *visit) checkProgramsForm(path string, names []string) error {
	if v.r.Method != http.MethodPost {
		return nil
	}
	if _, ours := v.form[formProof]; ours || len(v.query) > 0 {
		if v.session == "" {
			return nil // he has to sign in, and nothing is done
		}
		return v.checkForgery(true)
	}
	address, err := addressOf(path, v.form, names)
	if err != nil {
		return err
	}
	v.goTo(address)
	return errAnswered
}

// addressOf is the address of a page with those parameters of a request that it reads.
func addressOf(path string, given fields, names []string) (string, error) {
	q := url.Values{}
	for _, name := range names {
		if given[name] != "" { // without a value it is omitted, RFC 6749 section 3.1
			q.Set(name, given[name])
		}
	}
	address, ok := languagePath(withQuery(path, q))
	if !ok {
		return "", refused(http.StatusRequestURITooLong, "error.link_long")
	}
	return address, nil
}

// checkAuthorization judges a request before anybody signs in for it.
func (v *visit) checkAuthorization() error {
	if err := v.checkProgramsForm(authorizationPath, authorizationParameters); err != nil {
		return err
	}
	address, err := addressOf(authorizationPath, v.query, authorizationParameters)
	if err != nil {
		return err
	}
	q := v.query
	a := &authorizing{address: address, request: &propuskpb.Authorization{
		ClientId: q["client_id"], RedirectUri: q["redirect_uri"], ResponseType: q["response_type"], Scope: q["scope"], State: q["state"], Nonce: q["nonce"],
		CodeChallenge: q["code_challenge"], CodeChallengeMethod: q["code_challenge_method"], ResponseMode: q["response_mode"],
		Prompt: q["prompt"], MaxAge: q["max_age"], DpopJkt: q["dpop_jkt"], IdTokenHint: q["id_token_hint"],
	}}
	for _, name := range []string{"request", "request_uri", "registration"} {
		if q[name] != "" {
			a.request.Unsupported = append(a.request.Unsupported, name)
		}
	}
	answer, err := ask[*propuskpb.CheckAuthorizationResponse](v, propuskpb.AuthorizationService_Check_FullMethodName,
		&propuskpb.CheckAuthorizationRequest{Authorization: a.request})
	if err != nil {
		return programTrouble(err)
	}
	a.program, a.loginRequired = answer.GetProgram(), answer.GetLoginRequiredLocation()
	v.authorizing = a
	if to := answer.GetRefusalLocation(); to != "" {
		return v.leaveNow(to)
	}
	if q[federationHint] != "" {
		return refused(http.StatusBadRequest, "error.federation")
	}
	return nil
}

// programTrouble words a refusal after which nobody is sent back to the program:
// whether it is the program's address nobody knows.
func programTrouble(err error) error {
	e, ok := errors.AsType[*iam.Error](err)
	switch {
	case !ok:
		return err
	case e.Kind == iam.PermissionDenied:
		return refused(http.StatusForbidden, "error.program_closed")
	case e.Kind != iam.InvalidArgument:
		return err
	}
	for _, f := range e.Fields {
		switch f.Field[strings.LastIndexByte(f.Field, '.')+1:] {
		case "client_id":
			return refused(http.StatusBadRequest, "error.program")
		case "redirect_uri":
			return refused(http.StatusBadRequest, "error.redirect_uri")
		}
	}
	if len(e.Fields) > 0 { // of the others, only how long they are is judged before the program is known
		return refused(http.StatusRequestURITooLong, "error.link_long")
	}
	return refused(http.StatusBadRequest, "error.link")
}

// strangerAuthorizes sends who is not signed in to do so, or back to a program
// that wants nobody bothered.
func (v *visit) strangerAuthorizes(because string) error {
	a := v.authorizing
	if a.loginRequired != "" {
		return v.leave(a.loginRequired, a.request.GetRedirectUri(), a.program)
	}
	v.beginAgain()
	target := url.Values{"return": {a.address}}
	if hint := v.query["login_hint"]; hint != "" {
		target.Set("login", hint)
	}
	if because != "" {
		target.Set("note", because)
	}
	v.goTo(withQuery("/login", target))
	return nil
}

func (v *visit) prepare() (*propuskpb.PrepareAuthorizationResponse, error) {
	answer, err := ask[*propuskpb.PrepareAuthorizationResponse](v, propuskpb.AuthorizationService_Prepare_FullMethodName,
		&propuskpb.PrepareAuthorizationRequest{Session: v.session, Authorization: v.authorizing.request, SignedInSince: v.signedInSince()})
	if err != nil {
		return nil, programTrouble(err)
	}
	return answer, nil
}

func (v *visit) showAuthorization() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	prepared, err := v.prepare()
	if err != nil {
		return err
	}
	a := v.authorizing
	switch prepared.GetNext() {
	case propuskpb.PrepareAuthorizationResponse_REFUSED:
		return v.leave(prepared.GetRefusalLocation(), a.request.GetRedirectUri(), a.program)
	case propuskpb.PrepareAuthorizationResponse_SIGN_IN:
		v.beginAgain()
		v.goTo(withQuery("/login", url.Values{"return": {a.address}, "again": {"yes"}, "note": {"again"}, "login": {account.GetLogin()}}))
		return nil
	case propuskpb.PrepareAuthorizationResponse_ALLOWED:
		if !v.onlyLooks() {
			return v.allowProgram(false)
		}
	case propuskpb.PrepareAuthorizationResponse_ASK:
	default:
		return fmt.Errorf("web: the gate says %v", prepared.GetNext())
	}
	return v.authorizationPage(account, prepared)
}

// onlyLooks tells of requests behind which no person stands, or not yet: no code
// is made for them.
func (v *visit) onlyLooks() bool {
	return v.r.Method == http.MethodHead || v.r.Header.Get("Sec-Purpose") != ""
}

// answerAuthorization takes the answer of the page that asks.
func (v *visit) answerAuthorization() error {
	a := v.authorizing
	switch v.form["answer"] {
	case "another":
		if err := v.endThisSession(); err != nil {
			return err
		}
		v.beginAgain()
		v.goTo(withQuery("/login", url.Values{"return": {a.address}}))
		return nil
	case "allow":
		if !v.isOnce(v.programOnce()) {
			return refused(http.StatusConflict, "error.program_answered")
		}
		return v.allowProgram(true)
	}
	return refused(http.StatusBadRequest, "error.form")
}

// allowProgram has a code made and sends the browser back with it.
func (v *visit) allowProgram(asked bool) error {
	a := v.authorizing
	m := &propuskpb.AllowAuthorizationRequest{Session: v.session, Authorization: a.request, Asked: asked, Client: v.client(), SignedInSince: v.signedInSince()}
	answer, err := askOnce[*propuskpb.AllowAuthorizationResponse](v, propuskpb.AuthorizationService_Allow_FullMethodName, m, v.form["once"])
	counted := countedBefore(err)
	if asked && (err == nil || counted) {
		v.dropCookie(v.programOnce())
	}
	if counted { // the same form came twice at once, or its answer was lost
		return refused(http.StatusConflict, "error.program_answered")
	}
	if err != nil {
		return programTrouble(err)
	}
	if m.SignedInSince != nil {
		v.dropCookie(v.againName())
	}
	return v.leave(answer.GetLocation(), a.request.GetRedirectUri(), a.program)
}

// countedBefore tells that a form has counted before, also one that came from
// another place then.
func countedBefore(err error) bool {
	e, ok := errors.AsType[*iam.Error](err)
	return ok && (e.Kind == iam.AlreadyExists || e.Kind == iam.InvalidArgument && len(e.Fields) == 1 && e.Fields[0].Field == "idempotency-key")
}

// signedInSince is againSince for messages, nil for the zero time.
func (v *visit) signedInSince() *timestamppb.Timestamp {
	if t := v.againSince(); !t.IsZero() {
		return timestamppb.New(t)
	}
	return nil
}
