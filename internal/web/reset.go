package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func (v *visit) showReset() error { return v.resetPage(v.query["token"], nil) }

// resetPage shows the form of a link, or what a link is when there is none.
func (v *visit) resetPage(token string, wrong *mistakes) error {
	return v.show(http.StatusOK, &page{Name: "reset", Title: "reset.title", Wrong: wrong, Data: token})
}

func (v *visit) reset() error {
	token := v.form["reset_token"]
	if wrong := v.newPasswordMistakes(); wrong != nil {
		return v.resetPage(token, wrong)
	}
	answer, err := ask[*propuskpb.ResetPasswordResponse](v, propuskpb.SignInService_ResetPassword_FullMethodName,
		&propuskpb.ResetPasswordRequest{ResetToken: token, NewPassword: v.form["new_password"], Client: v.client()})
	if err != nil {
		if wrong := v.explain(err, "new_password"); wrong != nil {
			return v.resetPage(token, wrong)
		}
		for _, dead := range []iam.Kind{iam.Unauthenticated, iam.InvalidArgument, iam.NotFound, iam.PermissionDenied, iam.FailedPrecondition} {
			if errors.Is(err, dead) {
				if v.door.Joining.Mails {
					return &problem{status: http.StatusForbidden, key: "error.reset_link_forgot", forgot: true}
				}
				return refused(http.StatusForbidden, "error.reset_link")
			}
		}
		return err
	}
	v.endFormer() // it has ended with all others, unless it is another person's
	v.dropCookie(sessionCookie)
	v.goTo(withQuery("/login", url.Values{"note": {"password_set"}, "login": {answer.GetLogin()}}))
	return nil
}

// newPasswordMistakes looks whether a new password was typed, twice alike.
func (v *visit) newPasswordMistakes() (wrong *mistakes) {
	switch fresh := v.form["new_password"]; {
	case fresh == "":
		wrong = wrong.add("new_password", "mistake.new_password_missing")
	case fresh != v.form["again"]:
		wrong = wrong.add("again", "mistake.again")
	}
	return wrong
}
