package web

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func (v *visit) showFactors() error { return v.factorsPage("factors", "factors.title", nil) }

func (v *visit) showRemoveApp() error {
	return v.factorsPage("factors_remove", "factors_remove.title", nil)
}

func (v *visit) factorsPage(name, title string, wrong *mistakes) error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: name, Title: title, Account: account, Wrong: wrong})
}

// beginApp makes a secret for an authenticator app and shows it, in the answer to
// the form alone.
func (v *visit) beginApp() error {
	if v.passwordMissing() {
		return v.factorsPage("factors", "factors.title", wrongField("password", "mistake.password_missing"))
	}
	answer, err := ask[*propuskpb.BeginTotpResponse](v, propuskpb.AccountService_BeginTotp_FullMethodName,
		&propuskpb.BeginTotpRequest{Session: v.session, Password: v.form["password"], Client: v.client()})
	if err != nil {
		if wrong := v.explainChange(err); wrong != nil {
			return v.factorsPage("factors", "factors.title", wrong)
		}
		return v.appElsewhere(err)
	}
	return v.appPage(answer.GetOtpauthUrl(), nil)
}

// appData is the secret of an authenticator app, in three shapes.
type appData struct {
	Link   template.URL
	Secret string // in base32, in groups of four
	Code   template.HTML
}

const maxAppLink = 1000 // bytes

// readAppLink takes the secret out of an otpauth address. The form of a page
// brings it back, so that a mistyped code does not cost the whole set-up.
func readAppLink(link string) (*appData, bool) {
	u, err := url.Parse(link)
	if err != nil || len(link) > maxAppLink || u.Scheme != "otpauth" || u.Host != "totp" {
		return nil, false
	}
	secret := u.Query().Get("secret")
	if secret == "" || strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return nil, false
	}
	code, err := qrCode(link)
	if err != nil {
		return nil, false
	}
	var grouped strings.Builder
	for i := 0; i < len(secret); i += 4 {
		if i > 0 {
			grouped.WriteByte(' ')
		}
		grouped.WriteString(secret[i:min(i+4, len(secret))])
	}
	return &appData{Link: template.URL(link), Secret: grouped.String(), Code: code}, true
}

func (v *visit) appPage(link string, wrong *mistakes) error {
	account, err := v.account()
	if err != nil {
		return err
	}
	data, ok := readAppLink(link)
	if !ok {
		return refused(http.StatusBadRequest, "error.form")
	}
	return v.show(http.StatusOK, &page{Name: "app", Title: "app.title", Account: account, Wrong: wrong, Data: data})
}

// confirmApp makes the app a second factor and shows the recovery codes, in the
// answer to the form alone.
func (v *visit) confirmApp() error {
	if v.form["code"] == "" {
		return v.appPage(v.form["link"], wrongField("code", "mistake.code_missing"))
	}
	account, err := v.account() // before the codes: they are shown now or never
	if err != nil {
		return err
	}
	answer, err := ask[*propuskpb.ConfirmTotpResponse](v, propuskpb.AccountService_ConfirmTotp_FullMethodName,
		&propuskpb.ConfirmTotpRequest{Session: v.session, Code: v.form["code"], Client: v.client()})
	if isReason(err, codeWrong) {
		return v.appPage(v.form["link"], wrongField("code", "mistake.code"))
	}
	if err != nil {
		if wrong := v.explain(err, "code"); wrong != nil {
			return v.appPage(v.form["link"], wrong)
		}
		return v.appElsewhere(err)
	}
	return v.show(http.StatusOK, &page{Name: "codes", Title: "codes.title", Account: account, Note: "note.others_ended", Data: answer.GetRecoveryCodes()})
}

func (v *visit) removeApp() error {
	if v.passwordMissing() {
		return v.factorsPage("factors_remove", "factors_remove.title", wrongField("password", "mistake.password_missing"))
	}
	_, err := ask[*propuskpb.RemoveTotpResponse](v, propuskpb.AccountService_RemoveTotp_FullMethodName,
		&propuskpb.RemoveTotpRequest{Session: v.session, Password: v.form["password"], Client: v.client()})
	if err != nil {
		if wrong := v.explainChange(err); wrong != nil {
			return v.factorsPage("factors_remove", "factors_remove.title", wrong)
		}
		return v.appElsewhere(err)
	}
	v.goTo("/account/second-factor?note=app_removed")
	return nil
}

// appElsewhere shows how the app stands when another page has set it up or taken
// it away meanwhile.
func (v *visit) appElsewhere(err error) error {
	if errors.Is(err, iam.FailedPrecondition) {
		v.goTo("/account/second-factor?note=app_begin_again")
		return nil
	}
	return err
}
