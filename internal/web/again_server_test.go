package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A program that wants a person to prove himself again ends nothing of another's.
func TestProofForOneProgramKeepsAnother(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	password := w.Server.Dev().Password("alice").Reveal()
	b := realBrowser(t, w).stay()
	const challenge, verifier = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	back := "http://127.0.0.1:42121/auth/callback"
	link := asking(oauthclient.PublicSDK, "code_challenge", challenge, "scope", "openid")
	page := b.send(b.open(link), "/login", "login", "alice", "password", password)
	q := b.send(page, link, "answer", "allow").leads(t, back)
	answer, status := postForm(t, w, "/oauth/token", url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "client_id": {oauthclient.PublicSDK},
		"redirect_uri": {back}, "code_verifier": {verifier}})
	iamToken, _ := answer["access_token"].(string)
	if status != http.StatusOK || !works(t, w, iamToken) {
		t.Fatalf("the code is answered %d %v", status, answer["error"])
	}
	page = b.open(asking(oauthclient.PublicSDK, "prompt", "login"))
	b.send(page, "/login", "password", password).wants(t, 200, "Let this program in?")
	if !works(t, w, iamToken) {
		t.Error("the other program's token has ended")
	}
	page = b.open(asking(oauthclient.PublicSDK, "prompt", "login", "state", "another"))
	b.send(page, "/login", "login", "bob", "password", w.Server.Dev().Password("bob").Reveal()).wants(t, 200, "Let this program in?")
	if works(t, w, iamToken) {
		t.Error("alice's token lives on where bob has taken her place")
	}
}

// The session that the browser has comes along with each way of signing in, and is
// signed out of unless it goes on.
func TestFormerSessions(t *testing.T) {
	for login, ends := range map[string]bool{"alice": false, "odd": true, "bob": true} {
		b := newBrowser(t)
		s := b.signIn("alice")
		former := ""
		for cookie := range b.town.sessions {
			former = cookie
		}
		s = b.post("/login", url.Values{"form_proof": {s.form(t, "/language").Get("form_proof")}, "login": {login}, "password": {goodPassword}})
		if login == "bob" {
			s = b.send(s, "/login/code", "code", goodCode)
		}
		s.wants(t, 200)
		shown := slices.ContainsFunc(b.town.asked, func(a asked) bool {
			m, ok := a.message.(interface{ GetClient() *propuskpb.Client })
			return ok && m.GetClient().GetFormerSession() == former
		})
		ended := slices.ContainsFunc(b.town.asked, func(a asked) bool { return a.Method == propuskpb.SignInService_SignOut_FullMethodName })
		if !shown || ended != ends || len(b.town.sessions) != 1 {
			t.Errorf("%s: shown %v, ended %v, %d sessions", login, shown, ended, len(b.town.sessions))
		}
	}
}
