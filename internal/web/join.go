package web

import (
	"errors"
	"net/http"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Joining says what there is for people who cannot sign in.
type Joining struct {
	Mails        bool // forgotten passwords have links sent
	SignUpByMail bool // accounts are made with a link that is sent
	SignUpAtOnce bool // or at once
}

// SignUp tells whether people may make accounts of their own.
func (j Joining) SignUp() bool { return j.SignUpByMail || j.SignUpAtOnce }

// Joining is what the door was told.
func (p *page) Joining() Joining { return p.v.door.Joining }

// invited is what the page of an invitation shows.
type invited struct {
	Secret     string
	Invitation *propuskpb.Invitation
}

func (v *visit) showJoin() error {
	secret := v.query["invitation"]
	if secret == "" {
		return v.show(http.StatusOK, &page{Name: "join", Title: "join.title"})
	}
	return v.joinPage(secret, nil, nil)
}

// joinPage shows the form of an invitation that still works.
func (v *visit) joinPage(secret string, again fields, wrong *mistakes) error {
	i, err := ask[*propuskpb.Invitation](v, propuskpb.JoinService_GetInvitation_FullMethodName, &propuskpb.GetInvitationRequest{Invitation: secret})
	if err != nil {
		return invitationOver(err)
	}
	if again == nil {
		again = fields{"name": i.GetName()}
	}
	return v.show(http.StatusOK, &page{Name: "join", Title: "join.title", Wrong: wrong, Again: again, Data: &invited{secret, i}})
}

// invitationOver words the end of an invitation, and what is no invitation at all.
func invitationOver(err error) error {
	switch {
	case isReason(err, "email_taken"):
		return refused(http.StatusConflict, "error.email_taken")
	case errors.Is(err, iam.Unauthenticated), errors.Is(err, iam.InvalidArgument):
		return refused(http.StatusForbidden, "error.invitation")
	}
	return err
}

func (v *visit) join() error {
	secret := v.form["invitation"]
	if wrong := v.newcomerMistakes(); wrong != nil {
		return v.joinPage(secret, v.chosen(), wrong)
	}
	answer, err := ask[*propuskpb.SignInResponse](v, propuskpb.JoinService_AcceptInvitation_FullMethodName, &propuskpb.AcceptInvitationRequest{
		Invitation: secret, Login: v.form["login"], Name: v.form["name"], NewPassword: v.form["new_password"], Client: v.client()})
	if err != nil {
		if wrong := v.explain(err, "login", "name", "new_password"); wrong != nil {
			return v.joinPage(secret, v.chosen(), wrong)
		}
		return invitationOver(err)
	}
	return v.signedIn(answer, defaultReturn)
}

// chosen is what is shown again of a newcomer's form.
func (v *visit) chosen() fields { return fields{"login": v.form["login"], "name": v.form["name"]} }

// newcomerMistakes looks whether everything was typed.
func (v *visit) newcomerMistakes() (wrong *mistakes) {
	wrong = v.newPasswordMistakes()
	if v.form["login"] == "" {
		wrong = wrong.add("login", "mistake.login_wrong")
	}
	if v.form["name"] == "" {
		wrong = wrong.add("name", "mistake.name_missing")
	}
	return wrong
}

func (v *visit) showSignUp() error {
	if !v.door.Joining.SignUp() {
		return refused(http.StatusNotFound, "error.not_found")
	}
	if _, sent := v.query["sent"]; sent && v.door.Joining.SignUpByMail {
		return v.show(http.StatusOK, &page{Name: "sign_up", Title: "sign_up.sent_title", Data: true})
	}
	return v.signUpPage(nil, nil)
}

func (v *visit) signUpPage(again fields, wrong *mistakes) error {
	return v.show(http.StatusOK, &page{Name: "sign_up", Title: "sign_up.title", Again: again, Wrong: wrong})
}

func (v *visit) signUp() error {
	switch {
	case v.door.Joining.SignUpByMail:
		return v.askSignUp()
	case v.door.Joining.SignUpAtOnce:
		return v.signUpAtOnce()
	}
	return refused(http.StatusNotFound, "error.not_found")
}

func (v *visit) askSignUp() error {
	again := fields{"email": v.form["email"]}
	if again["email"] == "" {
		return v.signUpPage(again, wrongField("email", "mistake.email_missing"))
	}
	_, err := ask[*propuskpb.AskSignUpResponse](v, propuskpb.JoinService_AskSignUp_FullMethodName,
		&propuskpb.AskSignUpRequest{Email: again["email"], Language: v.language, Client: v.client()})
	if err != nil {
		if wrong := v.explain(err, "email"); wrong != nil {
			return v.signUpPage(again, wrong)
		}
		return err
	}
	v.goTo("/sign-up?sent=yes")
	return nil
}

func (v *visit) signUpAtOnce() error {
	if wrong := v.newcomerMistakes(); wrong != nil {
		return v.signUpPage(v.chosen(), wrong)
	}
	answer, err := ask[*propuskpb.SignInResponse](v, propuskpb.JoinService_SignUp_FullMethodName, &propuskpb.SignUpRequest{
		Login: v.form["login"], Name: v.form["name"], NewPassword: v.form["new_password"], Client: v.client()})
	if err != nil {
		if wrong := v.explain(err, "login", "name", "new_password"); wrong != nil {
			return v.signUpPage(v.chosen(), wrong)
		}
		return err
	}
	return v.signedIn(answer, defaultReturn)
}

func (v *visit) showForgot() error {
	if _, sent := v.query["sent"]; sent && v.door.Joining.Mails {
		return v.show(http.StatusOK, &page{Name: "forgot", Title: "forgot.sent_title", Data: true})
	}
	return v.forgotPage("", nil)
}

func (v *visit) forgotPage(login string, wrong *mistakes) error {
	return v.show(http.StatusOK, &page{Name: "forgot", Title: "forgot.title", Again: fields{"login": login}, Wrong: wrong})
}

// forgot says the same whoever was named, and whether there is such a person.
func (v *visit) forgot() error {
	if !v.door.Joining.Mails {
		return v.forgotPage("", nil)
	}
	login := v.form["login"]
	if login == "" {
		return v.forgotPage("", wrongField("login", "mistake.login_missing"))
	}
	_, err := ask[*propuskpb.AskResetResponse](v, propuskpb.JoinService_AskReset_FullMethodName,
		&propuskpb.AskResetRequest{Login: login, Language: v.language, Client: v.client()})
	if err != nil {
		if wrong := v.explain(err, "login"); wrong != nil {
			return v.forgotPage(login, wrong)
		}
		return err
	}
	v.goTo("/forgot?sent=yes")
	return nil
}
