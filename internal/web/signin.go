package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// signInData is what the pages of signing in show besides the form.
type signInData struct {
	Return   string // where the person goes on to
	Recovery bool   // a recovery code is asked for
	Other    string // address of the page that asks for the other kind of code

	App     bool        // a code of an app is asked for
	Passkey *passkeyAsk // nil: there is none
}

func (v *visit) showSignIn() error {
	if v.session != "" && v.query["again"] != "yes" {
		_, err := v.account()
		switch {
		case err == nil:
			v.goTo(goOn(v.query["return"]))
			return nil
		case !errors.Is(err, iam.Unauthenticated):
			return err
		}
		v.dropCookie(sessionCookie)
	}
	return v.signInPage(v.query["return"], v.query["login"], nil)
}

func (v *visit) signInPage(back, login string, wrong *mistakes) error {
	return v.show(http.StatusOK, &page{Name: "sign_in", Title: "sign_in.title", Wrong: wrong,
		Again: fields{"login": login}, Data: signInData{Return: goOn(back)}})
}

func (v *visit) signIn() error {
	login, password, back := v.form["login"], v.form["password"], v.form["return"]
	var wrong *mistakes
	if login == "" {
		wrong = wrong.add("login", "mistake.login_missing")
	}
	if password == "" {
		wrong = wrong.add("password", "mistake.password_missing")
	}
	if wrong != nil {
		return v.signInPage(back, login, wrong)
	}
	answer, err := ask[*propuskpb.SignInResponse](v, propuskpb.SignInService_Start_FullMethodName,
		&propuskpb.StartSignInRequest{Login: login, Password: password, Client: v.signer()})
	if err != nil {
		if wrong := v.explainSignIn(err, "mistake.credentials", "login", "password"); wrong != nil {
			return v.signInPage(back, login, wrong)
		}
		return err
	}
	return v.signedIn(answer, back)
}

// explainSignIn words a refusal to sign in. What exactly was wrong nobody is told.
func (v *visit) explainSignIn(err error, key string, form ...string) *mistakes {
	switch {
	case errors.Is(err, iam.Unauthenticated):
		return &mistakes{status: http.StatusUnauthorized, Form: &mistake{Key: key}}
	case errors.Is(err, iam.PermissionDenied), errors.Is(err, iam.FailedPrecondition):
		return &mistakes{status: http.StatusForbidden, Form: &mistake{Key: "mistake.suspended"}}
	}
	return v.explain(err, form...)
}

// signedIn goes on with a session, or asks for the second factor.
func (v *visit) signedIn(answer *propuskpb.SignInResponse, back string) error {
	if s := answer.GetSession(); s != nil {
		if !s.GetContinued() {
			v.endFormer()
		}
		v.setCookie(sessionCookie, s.GetCookie(), s.GetExpiresAt().AsTime())
		v.dropCookie(ticketCookie)
		v.dropCookie(visitorCookie) // forms of the time before are worth nothing now
		v.goTo(goOn(back))
		return nil
	}
	next := answer.GetSecondFactor()
	v.setCookie(ticketCookie, next.GetTicket(), next.GetExpiresAt().AsTime())
	v.goTo(withReturn("/login/code", back, ""))
	return nil
}

// endFormer ends the session that this browser is about to forget, whoever's it
// is: nobody would find its cookie again, and who has copied it might.
func (v *visit) endFormer() {
	if v.session == "" {
		return
	}
	id := v.requestID // the answer tells that of the sign-in
	// One that cannot be ended just now ends when it has not been used for a while.
	_, _ = ask[*propuskpb.SignOutResponse](v, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: v.session})
	v.requestID = id
}

// withReturn is the address of a page of signing in that remembers where the
// person goes on to.
func withReturn(path, back, note string) string {
	q := url.Values{}
	if to := goOn(back); to != defaultReturn {
		q.Set("return", to)
	}
	if note != "" {
		q.Set("note", note)
	}
	return withQuery(path, q)
}

func (v *visit) showSecondFactor() error {
	if v.cookie(ticketCookie) == "" {
		v.goTo(withReturn("/login", v.query["return"], "begin_again"))
		return nil
	}
	return v.secondFactorPage(v.query["return"], v.query["with"] == "recovery", nil)
}

func (v *visit) secondFactorPage(back string, recovery bool, wrong *mistakes) error {
	data := signInData{Return: goOn(back), Recovery: recovery}
	q, title := url.Values{}, "second_factor.title"
	if data.Return != defaultReturn {
		q.Set("return", data.Return)
	}
	if recovery {
		title = "second_factor.recovery_title"
	} else {
		q.Set("with", "recovery")
	}
	data.Other = withQuery("/login/code", q)
	data.Passkey = v.passkeyFactor()
	data.App = data.Passkey == nil || data.Passkey.ByApp()
	if !recovery && !data.App {
		title = "second_factor.passkey_title"
	}
	return v.show(http.StatusOK, &page{Name: "second_factor", Title: title, Wrong: wrong, Data: data})
}

func (v *visit) finishSignIn() error {
	back, ticket := v.form["return"], v.cookie(ticketCookie)
	code, recovery := v.form["recovery_code"], true
	if _, app := v.form["code"]; app {
		code, recovery = v.form["code"], false
	}
	if ticket == "" {
		v.goTo(withReturn("/login", back, "begin_again"))
		return nil
	}
	m := &propuskpb.FinishSecondFactorRequest{Ticket: ticket, Client: v.signer()}
	field := "code"
	if m.Proof = (&propuskpb.FinishSecondFactorRequest_Code{Code: code}); recovery {
		m.Proof, field = &propuskpb.FinishSecondFactorRequest_RecoveryCode{RecoveryCode: code}, "recovery_code"
	}
	if code == "" {
		return v.secondFactorPage(back, recovery, wrongField(field, "mistake.code_missing"))
	}
	answer, err := ask[*propuskpb.SignInResponse](v, propuskpb.SignInService_FinishSecondFactor_FullMethodName, m)
	switch {
	case err == nil:
		return v.signedIn(answer, back)
	case isReason(err, ticketExpired), isReason(err, ticketSpent):
		v.dropCookie(ticketCookie)
		v.goTo(withReturn("/login", back, "begin_again"))
		return nil
	case errors.Is(err, iam.Unauthenticated), errors.Is(err, iam.InvalidArgument):
		return v.secondFactorPage(back, recovery, &mistakes{status: http.StatusUnauthorized, Fields: map[string]mistake{field: {Key: "mistake." + field}}})
	}
	if wrong := v.explainSignIn(err, ""); wrong != nil {
		return v.secondFactorPage(back, recovery, wrong)
	}
	return err
}

func (v *visit) showSignOut() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "sign_out", Title: "sign_out.title", Account: account, Data: signOutData{Address: "/logout"}})
}

func (v *visit) signOut() error {
	if err := v.endThisSession(); err != nil {
		return err
	}
	v.goTo("/login?note=signed_out")
	return nil
}
