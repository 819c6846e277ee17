package web_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func TestNewRecoveryCodes(t *testing.T) {
	b := newBrowser(t)
	b.signIn("bob")
	const path = "/account/second-factor/codes"
	b.open("/account/second-factor").wants(t, 200, `href="`+path+`"`)
	page := b.open(path)
	page.wants(t, 200, "The codes that you have stop working")
	b.send(page, path, "password", "").wants(t, 400, "Type your password.")
	b.send(page, path, "password", "wrong").wants(t, 400, "This is not your password.")
	done := b.send(page, path, "password", goodPassword)
	done.wants(t, 200, "<code>new1-new2-new3-new4</code>", "Those you had before open nothing any more.")
	if strings.Contains(done.text, "The second factor is on") || strings.Contains(done.text, "/language") || done.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s", done.text)
	}
	b.post(path, url.Values{"password": {goodPassword}, "form_proof": {"none"}}).wants(t, 403)
	for method, want := range map[string]int{propuskpb.AccountService_Get_FullMethodName: 503, propuskpb.AccountService_RenewRecoveryCodes_FullMethodName: 503} {
		b.town.fails[method] = iam.Errorf(iam.Unavailable, "busy")
		before := len(b.town.asked)
		b.send(page, path, "password", goodPassword).wants(t, want)
		for _, call := range b.town.asked[before:] {
			if method == propuskpb.AccountService_Get_FullMethodName && call.Method == propuskpb.AccountService_RenewRecoveryCodes_FullMethodName {
				t.Error("the old codes are gone, and nobody has seen the new ones")
			}
		}
		delete(b.town.fails, method)
	}
}

// Who has no password is not asked for one.
func TestAnAppWithoutAPassword(t *testing.T) {
	b := newBrowser(t)
	b.signIn("alice")
	for _, a := range b.town.sessions {
		a.PasswordChangedAt = nil
	}
	page := b.open("/account/second-factor")
	page.wants(t, 200, "This works within five minutes of signing in.")
	if strings.Contains(page.text, `name="password"`) {
		t.Error("a password is asked for that nobody has")
	}
	b.town.fails[propuskpb.AccountService_BeginTotp_FullMethodName] = &iam.Error{Kind: iam.FailedPrecondition, Reason: "sign_in_again", Message: "too long ago"}
	b.send(page, "/account/second-factor").wants(t, 403, "You signed in too long ago for this.")
}
