package web

import (
	"crypto/hmac"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// publicClient is the OAuth client of the command line and of everything that
// takes an OAuth token as the documentation tells people to make one
// [API fact: OAuth token, how obtained].
const publicClient = "1a6990aa636648e9b2ef855fa7bec2fb"

// consentAddress is the documented link, on this server.
var consentAddress = withQuery("/authorize", url.Values{"response_type": {"token"}, "client_id": {publicClient}})

// clientKeys are the names of the clients that this door knows.
var clientKeys = map[string]string{publicClient: "client.public"}

// checkConsent refuses what this page does not do. A person is never sent to
// another site, least of all with a token.
func (v *visit) checkConsent() error {
	switch {
	case clientKeys[v.query["client_id"]] == "":
		return refused(http.StatusBadRequest, "error.client")
	case v.query["response_type"] != "token":
		return refused(http.StatusBadRequest, "error.response_type")
	case v.query["redirect_uri"] != "":
		return refused(http.StatusBadRequest, "error.redirect")
	case v.query["scope"] != "": // a token may do all that the person may, and no less
		return refused(http.StatusBadRequest, "error.scope")
	}
	return nil
}

func (v *visit) showConsent() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "consent", Title: "consent.title", Account: account, Data: consentData{
		Client: clientKeys[v.query["client_id"]], Address: consentAddress, Once: v.newOnce(onceCookie, time.Time{}),
	}})
}

type consentData struct {
	Client  string // key of its name
	Address string // of the form
	Once    string
}

// newOnce is the value by which a consent counts once: a reload of the page that
// shows a token sends the same form again, and would make another token.
func (v *visit) newOnce(name string, until time.Time) string {
	once := v.cookie(name)
	if once == "" {
		once = randomText()
		v.setCookie(name, once, until)
	}
	return once
}

// isOnce tells whether the form that was sent has not counted yet.
func (v *visit) isOnce(name string) bool {
	once := v.cookie(name)
	return once != "" && hmac.Equal([]byte(v.form["once"]), []byte(once))
}

// allow makes the token. It is in the answer to the form and nowhere else: no
// address holds it, and no cache keeps it.
func (v *visit) allow() error {
	if !v.isOnce(onceCookie) {
		return refused(http.StatusConflict, "error.consent_used")
	}
	account, err := v.account()
	if err != nil {
		return err
	}
	answer, err := askOnce[*propuskpb.CreatePersonOAuthTokenResponse](v, propuskpb.AccountService_CreateOAuthToken_FullMethodName,
		&propuskpb.CreatePersonOAuthTokenRequest{Session: v.session, ClientId: v.query["client_id"]}, v.form["once"])
	switch {
	case errors.Is(err, iam.FailedPrecondition):
		return refused(http.StatusConflict, "error.too_many_tokens")
	case errors.Is(err, iam.AlreadyExists): // the same form came twice at once, or its answer was lost
		v.dropCookie(onceCookie)
		return refused(http.StatusConflict, "error.consent_used")
	}
	if err != nil {
		return err
	}
	v.dropCookie(onceCookie)
	return v.show(http.StatusOK, &page{Name: "token", Title: "token.title", Account: account, Data: answer})
}
