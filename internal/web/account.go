package web

import (
	"net/http"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// listed is how many sessions or tokens a page shows.
const listed = 50

func (v *visit) showAccount() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "account", Title: "account.title", Account: account})
}

func (v *visit) showSessions() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	list, err := ask[*propuskpb.ListSessionsResponse](v, propuskpb.AccountService_ListSessions_FullMethodName,
		&propuskpb.ListSessionsRequest{Session: v.session, PageSize: listed, PageToken: v.query["page"]})
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "sessions", Title: "sessions.title", Account: account, Data: list})
}

func (v *visit) endSession() error {
	_, err := ask[*propuskpb.EndSessionResponse](v, propuskpb.AccountService_EndSession_FullMethodName,
		&propuskpb.EndSessionRequest{Session: v.session, SessionId: v.form["session_id"]})
	if err != nil {
		return err
	}
	v.goTo("/account/sessions?note=session_ended")
	return nil
}

func (v *visit) endOtherSessions() error {
	_, err := ask[*propuskpb.EndOtherSessionsResponse](v, propuskpb.AccountService_EndOtherSessions_FullMethodName,
		&propuskpb.EndOtherSessionsRequest{Session: v.session})
	if err != nil {
		return err
	}
	v.goTo("/account/sessions?note=others_ended")
	return nil
}

func (v *visit) showPassword() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.passwordPage(account, nil)
}

func (v *visit) passwordPage(account *propuskpb.Account, wrong *mistakes) error {
	return v.show(http.StatusOK, &page{Name: "password", Title: "password.title", Account: account, Wrong: wrong})
}

func (v *visit) changePassword() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	wrong := v.newPasswordMistakes()
	if v.form["password"] == "" {
		wrong = wrong.add("password", "mistake.password_missing")
	}
	if wrong != nil {
		return v.passwordPage(account, wrong)
	}
	_, err = ask[*propuskpb.ChangePasswordResponse](v, propuskpb.AccountService_ChangePassword_FullMethodName,
		&propuskpb.ChangePasswordRequest{Session: v.session, Password: v.form["password"], NewPassword: v.form["new_password"], Client: v.client()})
	if err != nil {
		if wrong := v.explain(err, "password", "new_password"); wrong != nil {
			return v.passwordPage(account, wrong)
		}
		return err
	}
	v.goTo("/account/password?note=password_changed")
	return nil
}
