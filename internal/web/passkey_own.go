package web

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const factorsPath = "/account/second-factor"

// passkeyList is what the page of second factors shows of passkeys.
type passkeyList struct {
	Passkeys []*propuskpb.Passkey
	Here     string // where passkeys work; "" nowhere
	Text     string // for the script, which looks where it is
}

// Passkeys are the person's; nil when they cannot be told just now.
func (p *page) Passkeys() (*passkeyList, error) {
	answer, ok := aside(p.v, p.v.passkeys)
	if !ok {
		return nil, nil
	}
	a := newPasskeyAsk("none", answer.GetSite(), "", "", nil)
	text, err := a.Text()
	if a.Site == "" {
		text = ""
	}
	return &passkeyList{Passkeys: answer.GetPasskeys(), Here: a.Here(), Text: text}, err
}

func (v *visit) passkeys() (*propuskpb.ListPasskeysResponse, error) {
	return ask[*propuskpb.ListPasskeysResponse](v, propuskpb.PasskeyService_List_FullMethodName,
		&propuskpb.ListPasskeysRequest{Session: v.session, PageSize: 1000})
}

// passkeyData is one passkey, or the one that is being made.
type passkeyData struct {
	*propuskpb.Passkey
	Ask *passkeyAsk
}

func (v *visit) passkeyPage(name, title string, data *passkeyData, wrong *mistakes) error {
	account, err := v.account()
	if err != nil {
		return err
	}
	p := &page{Name: name, Title: title, Account: account, Wrong: wrong, Data: data, Again: fields{}}
	if p.Again["name"] = v.form["name"]; data != nil && p.Again["name"] == "" {
		p.Again["name"] = data.GetName()
	}
	return v.show(http.StatusOK, p)
}

func (v *visit) showAddPasskey() error { return v.addPasskeyPage(nil) }

func (v *visit) addPasskeyPage(wrong *mistakes) error {
	return v.passkeyPage("passkey_add", "passkey_add.title", nil, wrong)
}

// addPasskey shows the page on which the browser makes a passkey, in the answer to
// the form that has asked for the password.
func (v *visit) addPasskey() error {
	answer, err := ask[*propuskpb.BeginPasskeyResponse](v, propuskpb.PasskeyService_Begin_FullMethodName,
		&propuskpb.BeginPasskeyRequest{Session: v.session, Password: v.form["password"], Client: v.client()})
	if err != nil {
		if wrong := v.explainChange(err); wrong != nil {
			return v.addPasskeyPage(wrong)
		}
		return err
	}
	a := newPasskeyAsk("create", answer.GetSite(), answer.GetChallenge(), "preferred", answer.GetPasskeys())
	if answer.GetAlone() {
		a.Verify = "required"
	}
	a.Title, a.User = v.text("product"), base64.RawURLEncoding.EncodeToString(answer.GetUserHandle())
	a.Login, a.Name, a.Algorithms = answer.GetLogin(), answer.GetName(), answer.GetAlgorithms()
	if strings.TrimSpace(a.Name) == "" {
		a.Name = a.Login
	}
	suggested := (&page{v: v}).Device(v.r.UserAgent())
	return v.passkeyPage("passkey_new", "passkey_new.title", &passkeyData{Ask: a, Passkey: &propuskpb.Passkey{Name: suggested}}, nil)
}

// explainChange words why a person may not change how he signs in.
func (v *visit) explainChange(err error) *mistakes {
	for reason, key := range map[string]string{"sign_in_again": "mistake.sign_in_again", "last_way_in": "mistake.last_way_in",
		"passkeys_off": "mistake.passkeys_off", "passkey_late": "mistake.passkey_late"} {
		if isReason(err, reason) {
			return &mistakes{status: http.StatusForbidden, Form: &mistake{Key: key}}
		}
	}
	return v.explain(err, "password", "name")
}

// createPasskey keeps the passkey that the browser has made. Recovery codes are
// shown in the answer to the form alone.
func (v *visit) createPasskey() error {
	clientData, err := base64.RawURLEncoding.DecodeString(v.form["client_data"])
	if err != nil {
		return refused(http.StatusBadRequest, "error.form")
	}
	attestation, err := base64.RawURLEncoding.DecodeString(v.form["attestation"])
	if err != nil {
		return refused(http.StatusBadRequest, "error.form")
	}
	account, err := v.account() // before the codes: they are shown now or never
	if err != nil {
		return err
	}
	answer, err := ask[*propuskpb.CreatePasskeyResponse](v, propuskpb.PasskeyService_Create_FullMethodName, &propuskpb.CreatePasskeyRequest{
		Session: v.session, Name: v.form["name"], ClientData: clientData, AttestationObject: attestation,
		Transports: strings.Fields(v.form["transports"]), Client: v.client()})
	switch {
	case err == nil:
	case errors.Is(err, iam.InvalidArgument), errors.Is(err, iam.AlreadyExists):
		return v.addPasskeyPage(&mistakes{status: http.StatusBadRequest, Form: &mistake{Key: "mistake.passkey_not_made"}})
	default:
		if wrong := v.explainChange(err); wrong != nil {
			return v.addPasskeyPage(wrong)
		}
		return err
	}
	if codes := answer.GetRecoveryCodes(); len(codes) > 0 {
		return v.show(http.StatusOK, &page{Name: "codes", Title: "codes.title", Account: account, Data: codes})
	}
	v.goTo(factorsPath + "?note=passkey_added")
	return nil
}

// passkeyOf finds one of the person's passkeys.
func (v *visit) passkeyOf(id string) (*passkeyData, error) {
	answer, err := v.passkeys()
	if err != nil {
		return nil, err
	}
	for _, p := range answer.GetPasskeys() {
		if p.GetId() == id {
			return &passkeyData{Passkey: p}, nil
		}
	}
	return nil, refused(http.StatusNotFound, "error.gone")
}

func (v *visit) showRenamePasskey() error {
	return v.onePasskey("passkey_rename", v.query["id"], nil)
}

func (v *visit) showRemovePasskey() error {
	return v.onePasskey("passkey_remove", v.query["id"], nil)
}

func (v *visit) onePasskey(name, id string, wrong *mistakes) error {
	data, err := v.passkeyOf(id)
	if err != nil {
		return err
	}
	return v.passkeyPage(name, name+".title", data, wrong)
}

func (v *visit) renamePasskey() error {
	if strings.TrimSpace(v.form["name"]) == "" {
		return v.onePasskey("passkey_rename", v.form["id"], wrongField("name", "mistake.passkey_name"))
	}
	_, err := ask[*propuskpb.RenamePasskeyResponse](v, propuskpb.PasskeyService_Rename_FullMethodName,
		&propuskpb.RenamePasskeyRequest{Session: v.session, PasskeyId: v.form["id"], Name: v.form["name"]})
	if err != nil {
		if wrong := v.explainChange(err); wrong != nil {
			return v.onePasskey("passkey_rename", v.form["id"], wrong)
		}
		return err
	}
	v.goTo(factorsPath + "?note=passkey_renamed")
	return nil
}

func (v *visit) removePasskey() error {
	_, err := ask[*propuskpb.RemovePasskeyResponse](v, propuskpb.PasskeyService_Remove_FullMethodName,
		&propuskpb.RemovePasskeyRequest{Session: v.session, PasskeyId: v.form["id"], Password: v.form["password"], Client: v.client()})
	if err != nil {
		if wrong := v.explainChange(err); wrong != nil {
			return v.onePasskey("passkey_remove", v.form["id"], wrong)
		}
		return err
	}
	v.goTo(factorsPath + "?note=passkey_removed")
	return nil
}
