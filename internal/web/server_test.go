package web_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/propusktest"
)

// realBrowser is a browser in front of a whole server.
func realBrowser(t *testing.T, w *propusktest.Server) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, server: &httptest.Server{URL: w.HTTPURL}, client: &http.Client{Jar: jar}, header: http.Header{}}
	b.header.Set("Accept", acceptHTML)
	b.header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	return b
}

// exchange asks for an IAM token with an OAuth token, and tells whether it got one.
func exchange(t *testing.T, w *propusktest.Server, token string) (iamToken string, code int) {
	t.Helper()
	res, err := http.Post(w.HTTPURL+"/iam/v1/tokens", "application/json", strings.NewReader(`{"yandexPassportOauthToken":"`+token+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ IAMToken string }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out.IAMToken, res.StatusCode
}

// works tells whether an IAM token is taken.
func works(t *testing.T, w *propusktest.Server, iamToken string) bool {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.HTTPURL+"/resource-manager/v1/clouds", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+iamToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// appCode is what an authenticator app shows (RFC 6238).
func appCode(t *testing.T, secret string, now time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/30)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1000000)
}

var (
	tokenOnPage  = regexp.MustCompile(`y0_[A-Za-z0-9_-]{55}`)
	secretOnPage = regexp.MustCompile(`<code id="app-secret"[^>]*>([A-Z2-7 ]+)</code>`)
	codeOnPage   = regexp.MustCompile(`<li><code>([^<]+)</code></li>`)
)

// A person signs in at a whole server, copies an OAuth token by the documented
// link, and a program gets IAM tokens with it, until the person ends it.
func TestTokenOfAPerson(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	b := realBrowser(t, w)
	page := b.open("/authorize?response_type=token&client_id=" + publicClient)
	page = b.send(page, "/login", "login", "alice", "password", w.Server.Dev().Password("alice").Reveal())
	if page.path != consentPath {
		t.Fatalf("alice is led to %s: %d\n%s", page.path, page.StatusCode, page.text)
	}
	page = b.send(page, consentPath)
	token := tokenOnPage.FindString(page.text)
	if page.StatusCode != http.StatusOK || token == "" {
		t.Fatalf("%d %s", page.StatusCode, page.text)
	}
	iamToken, code := exchange(t, w, token)
	if code != http.StatusOK || !works(t, w, iamToken) {
		t.Fatalf("the exchange is answered %d", code)
	}

	list := b.open("/account/tokens")
	ids := regexp.MustCompile(`/account/tokens/end\?id=([a-z0-9]+)`).FindAllStringSubmatch(list.text, -1)
	for _, id := range ids { // dev has made one of alice's, too
		b.send(b.open("/account/tokens/end?id="+id[1]), "/account/tokens/end").wants(t, 200, "The token has ended.")
	}
	if _, code := exchange(t, w, token); code != http.StatusUnauthorized {
		t.Errorf("an ended token is answered %d", code)
	}
	if !works(t, w, iamToken) {
		t.Error("an IAM token has ended without a word")
	}

	b.send(b.open(consentPath), consentPath)
	list = b.open("/account/tokens")
	id := regexp.MustCompile(`/account/tokens/end\?id=([a-z0-9]+)`).FindStringSubmatch(list.text)
	b.send(b.open("/account/tokens/end?id="+id[1]), "/account/tokens/end", "also_iam_tokens", "yes").wants(t, 200, "You have no OAuth tokens.")
	if works(t, w, iamToken) {
		t.Error("an IAM token lives on that was to end")
	}
	b.open("/account").wants(t, 200, "dev-organization", "alice@example.com") // the session itself lives
	if s := b.send(b.open("/account"), "/logout"); s.path != "/login?note=signed_out" {
		t.Errorf("signing out leads to %s", s.path)
	}
	if s := b.open("/account"); s.path != "/login" {
		t.Errorf("after signing out the account is at %s", s.path)
	}
}

// A consent that is sent many times at once makes one token, and the link still
// leads to another.
func TestConsentSentAtOnce(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	b := realBrowser(t, w)
	b.send(b.open("/login"), "/login", "login", "alice", "password", w.Server.Dev().Password("alice").Reveal())
	form := b.open(consentPath).form(t, consentPath).Encode()
	at, err := url.Parse(b.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.client.Jar.Cookies(at) // of the moment before the first answer
	var made, refused atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, err := http.NewRequest(http.MethodPost, b.server.URL+consentPath, strings.NewReader(form))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			for _, c := range cookies {
				r.AddCookie(c)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			switch text, _ := io.ReadAll(res.Body); {
			case res.StatusCode == http.StatusOK && tokenOnPage.Match(text):
				made.Add(1)
			case res.StatusCode == http.StatusConflict && strings.Contains(string(text), "You have already allowed this"):
				refused.Add(1)
			default:
				t.Errorf("%d %s", res.StatusCode, text)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 || refused.Load() != 7 {
		t.Errorf("%d tokens are made, %d forms refused", made.Load(), refused.Load())
	}
	b.send(b.open(consentPath), consentPath).wants(t, 409, "You have already allowed this") // its cookie is of before
	if s := b.send(b.open(consentPath), consentPath); !tokenOnPage.MatchString(s.text) {
		t.Errorf("the link leads to no other token: %d", s.StatusCode)
	}
}

// A second factor is set up, asked for, replaced by recovery codes, and taken away.
func TestSecondFactorOfAPerson(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w := propusktest.New(t, propusktest.WithClock(now))
	password := w.Server.Dev().Password("bob").Reveal()
	b := realBrowser(t, w)
	b.send(b.open("/login"), "/login", "login", "bob@example.com", "password", password)
	app := b.send(b.open("/account/second-factor"), "/account/second-factor", "password", password)
	m := secretOnPage.FindStringSubmatch(app.text)
	if app.StatusCode != http.StatusOK || m == nil {
		t.Fatalf("%d %s", app.StatusCode, app.text)
	}
	b.send(app, "/account/second-factor/confirm", "code", "000000").wants(t, 400, "This code is wrong.", m[1])
	done := b.send(app, "/account/second-factor/confirm", "code", appCode(t, m[1], now()))
	codes := codeOnPage.FindAllStringSubmatch(done.text, -1)
	if done.StatusCode != http.StatusOK || len(codes) == 0 {
		t.Fatalf("%d %s", done.StatusCode, done.text)
	}

	signIn := func() *shown {
		b := realBrowser(t, w)
		s := b.send(b.open("/login?return=/account/sessions"), "/login", "login", "bob", "password", password)
		if s.path != "/login/code?return=%2Faccount%2Fsessions" {
			t.Fatalf("bob is led to %s: %s", s.path, s.text)
		}
		s = b.send(s, "/login/code", "code", "123123")
		s.wants(t, 401, "This code is wrong.")
		ahead.Add(int64(time.Minute)) // a code works once
		return b.send(s, "/login/code", "code", appCode(t, m[1], now()))
	}
	if s := signIn(); s.path != "/account/sessions" {
		t.Errorf("bob is led to %s: %s", s.path, s.text)
	}
	other := realBrowser(t, w)
	other.send(other.open("/login"), "/login", "login", "bob", "password", password)
	s := other.send(other.open("/login/code?with=recovery"), "/login/code", "recovery_code", codes[0][1])
	if s.path != "/account" {
		t.Fatalf("a recovery code leads to %s: %s", s.path, s.text)
	}
	other.open("/account/second-factor").wants(t, 200, fmt.Sprint("Left: ", len(codes)-1))
	sessions := b.open("/account/sessions")
	sessions.wants(t, 200, "Chrome, Windows", "This browser", "with a second factor")
	b.send(sessions, "/account/sessions/end-others").wants(t, 200, "All other sessions have ended.")
	if s := other.open("/account"); s.path != "/login?note=ended" {
		t.Errorf("an ended session leads to %s", s.path)
	}
	b.send(b.open("/account/second-factor/remove"), "/account/second-factor/remove", "password", "wrong").wants(t, 400, "This is not your password.")
	b.send(b.open("/account/second-factor/remove"), "/account/second-factor/remove", "password", password).wants(t, 200, "The second factor is off.")
}

// A password is changed, and set by the operator's link.
func TestPasswordOfAPerson(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	password := w.Server.Dev().Password("alice").Reveal()
	b, other := realBrowser(t, w), realBrowser(t, w)
	for _, x := range []*browser{b, other} {
		x.send(x.open("/login"), "/login", "login", "alice", "password", password)
	}
	change := func(old, fresh string) *shown {
		return b.send(b.open("/account/password"), "/account/password", "password", old, "new_password", fresh, "again", fresh)
	}
	change("wrong", "a quite different word").wants(t, 400, "This is not your password.")
	change(password, "12345678").wants(t, 400, `id="new_password-mistake">It `)
	change(password, "short").wants(t, 400, "Take at least 8 characters.")
	change(password, "alice").wants(t, 400, `id="new_password-mistake">`)
	change(password, password).wants(t, 400, "This is your present password.")
	change(password, "a quite different word").wants(t, 200, "The password is changed")
	if s := other.open("/account"); s.path != "/login?note=ended" {
		t.Errorf("another session leads to %s", s.path)
	}

	link, err := w.Server.MakeResetLink(t.Context(), server.UserResetLinkRequest{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link.Link, w.HTTPURL)
	set := func(fresh string) *shown {
		return other.send(other.open(path), "/reset", "new_password", fresh, "again", fresh)
	}
	set("password").wants(t, 400, "It is one of the passwords that are tried first.")
	s := set("yet another word entirely")
	s.wants(t, 200, "The password is set.", `value="alice"`)
	other.send(s, "/login", "login", "alice", "password", "a quite different word").wants(t, 401, "The login or the password is wrong.")
	if s := other.send(s, "/login", "login", "alice", "password", "yet another word entirely"); s.path != "/account" {
		t.Errorf("the new password leads to %s: %s", s.path, s.text)
	}
	set("and yet another word").wants(t, 403, "This link does not work any more")
}

// Guesses are slowed down, and so told.
func TestGuesses(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	b := realBrowser(t, w)
	for range 30 {
		s := b.send(b.open("/login"), "/login", "login", "alice", "password", "wrong")
		if s.StatusCode == http.StatusTooManyRequests {
			s.wants(t, 429, "Too many attempts. Try again in ")
			if s.Header.Get("Retry-After") == "" {
				t.Error("nobody says when to come back")
			}
			return
		}
		s.wants(t, 401, "The login or the password is wrong.")
	}
	t.Error("30 guesses are let through")
}

// The pages leave the API's paths alone.
func TestPagesAndAPI(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	b := realBrowser(t, w)
	b.open("/account/nowhere").wants(t, 404, "There is no such page")
	b.open("/nowhere").wants(t, 404, `"code"`)
	b.open("/iam/v1/roles").wants(t, 401, `"code"`)
	if s := b.open("/"); s.path != "/login" {
		t.Errorf("the first page leads to %s", s.path)
	}
	b.header.Set("Accept", "*/*")
	b.open("/").wants(t, 404, `"code"`)
	b.open("/account/nowhere").wants(t, 404, `"code"`)
}
