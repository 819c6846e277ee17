package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/propusktest"
)

// postForm asks a program's endpoint of a whole server.
func postForm(t *testing.T, w *propusktest.Server, path string, form url.Values) (answer map[string]any, status int) {
	t.Helper()
	res, err := http.PostForm(w.HTTPURL+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer, res.StatusCode
}

// A person lets the command line in by a browser at a whole server; its token
// works until she removes it.
func TestProgramOfAPerson(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	password := w.Server.Dev().Password("alice").Reveal()
	b := realBrowser(t, w).stay()
	verifier := "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	sum := sha256.Sum256([]byte(verifier))
	link := asking(oauthclient.PublicSDK, "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "scope", "openid")
	page := b.send(b.open(link), "/login", "login", "alice", "password", password)
	if page.path != link {
		t.Fatalf("signing in leads to %s: %s", page.path, page.text)
	}
	page.wants(t, 200, "Command line and tools", "Comes with this server", "do everything that you may do yourself", "a program on this very machine")
	if q := b.open(asking(oauthclient.PublicSDK, "prompt", "none")).leads(t, "http://127.0.0.1:42121/auth/callback"); q.Get("error") != "consent_required" {
		t.Errorf("without a question the program gets %v", q)
	}
	q := b.send(page, link, "answer", "allow").leads(t, "http://127.0.0.1:42121/auth/callback")
	if q.Get("state") != "s t&a=te" || q.Get("iss") == "" {
		t.Fatalf("the program gets %v", q)
	}
	b.send(page, link, "answer", "allow").wants(t, 409, "You have already answered")
	answer, status := postForm(t, w, "/oauth/token", url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "client_id": {oauthclient.PublicSDK},
		"redirect_uri": {"http://127.0.0.1:42121/auth/callback"}, "code_verifier": {verifier}})
	iamToken, _ := answer["access_token"].(string)
	if status != http.StatusOK || !works(t, w, iamToken) {
		t.Fatalf("the code is answered %d %v", status, answer["error"])
	}
	list := b.open("/account/programs")
	list.wants(t, 200, "Command line and tools", "know who you are")
	b.send(b.open("/account/programs/remove?id="+oauthclient.PublicSDK), "/account/programs/remove").wants(t, 200, "The program is removed.", "You have let no program in.")
	if works(t, w, iamToken) {
		t.Error("its token lives on")
	}
	page = b.open(asking(oauthclient.PublicSDK, "prompt", "login"))
	page.wants(t, 200, "Sign in once more", `value="alice"`)
	b.send(page, "/login", "password", password).wants(t, 200, "Let this program in?")
	for link, says := range map[string]string{
		asking("nobody"): "This program is not known here",
		asking(oauthclient.PublicSDK, "redirect_uri", "http://127.0.0.1:1/auth/callback/x"):          "The way back is not the program’s",
		asking(oauthclient.PublicSDK, "redirect_uri", "http://127.0.0.1.evil.example/auth/callback"): "The way back is not the program’s",
	} {
		b.open(link).wants(t, 400, says)
	}
	b.send(b.open("/oauth/logout"), "/oauth/logout").wants(t, 200, "You have signed out.")
}

// A person lets a device in by its code at a whole server.
func TestDeviceOfAPerson(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	asked, status := postForm(t, w, "/oauth/device/code", url.Values{"client_id": {oauthclient.PublicSDK}, "scope": {"openid"}})
	code, _ := asked["user_code"].(string)
	if status != http.StatusOK || code == "" {
		t.Fatalf("%d %v", status, asked["error"])
	}
	complete, err := url.Parse(asked["verification_uri_complete"].(string))
	if err != nil {
		t.Fatal(err)
	}
	b := realBrowser(t, w)
	page := b.send(b.open(complete.RequestURI()), "/login", "login", "bob", "password", w.Server.Dev().Password("bob").Reveal())
	page.wants(t, 200, "Let a device in", `value="`+code+`"`)
	b.send(page, "/device", "user_code", "BBBB-BBBB").wants(t, 400, "No device waits with this code")
	page = b.send(page, "/device")
	page.wants(t, 200, "Let this device in?", code, "Command line and tools", "127.0.0.1", "do everything that you may do yourself")
	if strings.Contains(page.text, "same address") { // the loopback is nobody's in particular
		t.Error("the device is near")
	}
	b.send(page, "/device", "answer", "allow").wants(t, 200, "The device is let in")
	b.send(page, "/device", "answer", "allow").wants(t, 400, "No device waits with this code")
	answer, status := postForm(t, w, "/oauth/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {oauthclient.PublicSDK}, "device_code": {asked["device_code"].(string)}})
	if iamToken, _ := answer["access_token"].(string); status != http.StatusOK || !works(t, w, iamToken) {
		t.Fatalf("the device is answered %d %v", status, answer["error"])
	}
	b.open("/account/programs").wants(t, 200, "Command line and tools")
}
