package web

import (
	"net/http"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const codesPath = factorsPath + "/codes"

func (v *visit) showRenewCodes() error { return v.factorsPage("codes_renew", "codes_renew.title", nil) }

// renewCodes makes fresh recovery codes and shows them, in the answer to the form
// alone.
func (v *visit) renewCodes() error {
	if v.passwordMissing() {
		return v.factorsPage("codes_renew", "codes_renew.title", wrongField("password", "mistake.password_missing"))
	}
	account, err := v.account() // before the codes: they are shown now or never
	if err != nil {
		return err
	}
	answer, err := ask[*propuskpb.RenewRecoveryCodesResponse](v, propuskpb.AccountService_RenewRecoveryCodes_FullMethodName,
		&propuskpb.RenewRecoveryCodesRequest{Session: v.session, Password: v.form["password"], Client: v.client()})
	if err != nil {
		if wrong := v.explainChange(err); wrong != nil {
			return v.factorsPage("codes_renew", "codes_renew.title", wrong)
		}
		return v.appElsewhere(err)
	}
	return v.show(http.StatusOK, &page{Name: "codes", Title: "codes.title", Account: account, Data: answer.GetRecoveryCodes()})
}

// passwordMissing tells whether a form asks for a password that was not typed. Who
// has none is not asked.
func (v *visit) passwordMissing() bool {
	password, asked := v.form["password"]
	return asked && password == ""
}
