package web

import (
	"errors"
	"net/http"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// endSessionPath is the end session endpoint of OpenID Connect RP-Initiated Logout 1.0.
const endSessionPath = "/oauth/logout"

var endSessionParameters = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

// signingOut is a program's request to sign a person out, as the gate has judged it.
type signingOut struct {
	address  string // of this page with what it reads of the request
	location string // where he goes then; "" when he stays
	program  *propuskpb.OAuthProgram
}

// checkSignOut judges a request before anything ends.
func (v *visit) checkSignOut() error {
	if err := v.checkProgramsForm(endSessionPath, endSessionParameters); err != nil {
		return err
	}
	address, err := addressOf(endSessionPath, v.query, endSessionParameters)
	if err != nil {
		return err
	}
	answer, err := ask[*propuskpb.SignOutTargetResponse](v, propuskpb.AuthorizationService_SignOutTarget_FullMethodName, &propuskpb.SignOutTargetRequest{
		ClientId: v.query["client_id"], IdTokenHint: v.query["id_token_hint"], PostLogoutRedirectUri: v.query["post_logout_redirect_uri"], State: v.query["state"]})
	if errors.Is(err, iam.InvalidArgument) || errors.Is(err, iam.NotFound) || errors.Is(err, iam.Unauthenticated) {
		return refused(http.StatusBadRequest, "error.sign_out_link")
	}
	if err != nil {
		return err
	}
	v.signingOut = &signingOut{address, answer.GetLocation(), answer.GetProgram()}
	return nil
}

func (v *visit) showProgramSignOut() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "sign_out", Title: "sign_out.title", Account: account,
		Data: signOutData{v.signingOut.address, programData{v.signingOut.program}}})
}

// signOutData is what the page shows that asks whether to sign out.
type signOutData struct {
	Address string // of the form
	Program programData
}

// endThisSession ends the session of this browser, and drops its cookie.
func (v *visit) endThisSession() error {
	_, err := ask[*propuskpb.SignOutResponse](v, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: v.session})
	if err != nil && !errors.Is(err, iam.Unauthenticated) {
		return err
	}
	v.dropCookie(sessionCookie)
	return nil
}

func (v *visit) programSignOut() error {
	if err := v.endThisSession(); err != nil {
		return err
	}
	return v.signedOut("")
}

// signedOut sends who is signed out, or never was in, to where the program wants
// him, or stays with him.
func (v *visit) signedOut(string) error {
	if to := v.signingOut.location; to != "" {
		return v.leave(to, v.query["post_logout_redirect_uri"], v.signingOut.program)
	}
	v.goTo("/login?note=signed_out")
	return nil
}
