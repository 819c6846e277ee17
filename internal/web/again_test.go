package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Who has to prove himself again signs in though he is signed in, once.
func TestSignInAgain(t *testing.T) {
	b := newStaying(t, "alice")
	b.town.wait(time.Hour)
	link := asking(reports, "prompt", "login")
	page := b.open(link)
	page.wants(t, 200, "Sign in once more", `value="alice"`)
	b.town.wait(time.Minute)
	b.send(page, "/login", "password", "wrong").wants(t, 401, `name="return" value="`+strings.NewReplacer("&", "&amp;", "+", "&#43;").Replace(link))
	page = b.send(page, "/login", "password", goodPassword)
	if page.path != link {
		t.Fatalf("signing in leads to %s", page.path)
	}
	page.wants(t, 200, "Let this program in?")
	b.send(page, link, "answer", "allow").leads(t, app)
	if m := b.town.last().message.(*propuskpb.AllowAuthorizationRequest); !m.GetSignedInSince().AsTime().Equal(today.Add(time.Hour)) {
		t.Errorf("signed in since %v", m.GetSignedInSince().AsTime())
	}
	b.town.wait(time.Second)
	b.open(link).wants(t, 200, "Sign in once more") // the next time anew
	b.open(asking("native", "prompt", "login")).wants(t, 200, "Sign in once more")

	// Who was not signed in signs in once and not twice.
	b = newStaying(t, "")
	b.send(b.open(link), "/login", "login", "alice", "password", goodPassword).wants(t, 200, "Let this program in?")
	// After a while he may have left.
	b.town.wait(16 * time.Minute)
	b.open(link).wants(t, 200, "Sign in once more")
}

// Nobody makes a note of having signed in, and none counts for another request.
func TestSignInAgainForged(t *testing.T) {
	b := newStaying(t, "")
	link := asking(reports, "prompt", "login")
	b.send(b.open(link), "/login", "login", "alice", "password", goodPassword).wants(t, 200, "Let this program in?")
	home, _ := url.Parse(b.server.URL)
	var good *http.Cookie
	for _, c := range b.client.Jar.Cookies(home) {
		if strings.HasPrefix(c.Name, "__Host-propusk_again_") {
			good = c
		}
	}
	if good == nil {
		t.Fatal("nothing is noted")
	}
	for _, bad := range []string{"", "1.", "x." + good.Value, good.Value[:len(good.Value)-1], "1" + good.Value, strings.SplitN(good.Value, ".", 2)[0]} {
		b.client.Jar.SetCookies(home, []*http.Cookie{{Name: good.Name, Value: bad, Path: "/", Secure: true}})
		if s := b.open(link); !strings.Contains(s.text, "Sign in once more") {
			t.Errorf("%q counts", bad)
		}
	}
	b.client.Jar.SetCookies(home, []*http.Cookie{{Name: good.Name, Value: good.Value, Path: "/", Secure: true}})
	b.open(link).wants(t, 200, "Let this program in?")
	b.open(asking(reports, "prompt", "login", "state", "x")).wants(t, 200, "Sign in once more")
}

// Another person signs in instead, and the session of the first ends.
func TestNotYou(t *testing.T) {
	b := newStaying(t, "alice")
	page := b.send(b.open(asking("native")), asking("native"), "answer", "another")
	if len(b.town.sessions) != 0 {
		t.Error("the session lives on")
	}
	page = b.send(page, "/login", "login", "odd", "password", goodPassword)
	page.wants(t, 200, "Let this program in?", "odd")
	if page.path != asking("native") {
		t.Errorf("%s", page.path)
	}
}

// A program may send its request as a form, which does what a link does; no form
// of another site is an answer.
func TestFormsOfPrograms(t *testing.T) {
	b := newStaying(t, "alice")
	u, _ := url.Parse(asking(reports))
	post := func(path string, form url.Values, site string) *shown {
		r, _ := http.NewRequest(http.MethodPost, b.server.URL+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		return b.do(r)
	}
	form := u.Query()
	form.Set("answer", "allow")
	if s := post(authorizePath, form, "cross-site"); s.path != asking(reports) {
		t.Errorf("the form leads to %s", s.path)
	}
	mine := b.open(asking(reports)).form(t, asking(reports))
	mine.Set("answer", "allow")
	before := b.town.calls()
	post(asking(reports), mine, "cross-site").wants(t, 403, "another site")
	post(asking(reports), mine, "same-site").wants(t, 403, "another site")
	delete(mine, "form_proof")
	post(asking(reports), mine, "same-origin").wants(t, 403, "out of date")
	mine.Set("form_proof", "AAAA")
	post(asking(reports), mine, "same-origin").wants(t, 403, "out of date")
	if b.town.calls() != before || b.town.made != 0 {
		t.Error("the gate hears of it")
	}
	form.Set("state", strings.Repeat("x", 1<<20))
	post(authorizePath, form, "cross-site").wants(t, 413, "64 KiB")
	form.Set("state", strings.Repeat("x", 40<<10))
	post(authorizePath, form, "cross-site").wants(t, 414, "too long")
}

// An answer of who is not signed in any more leads to signing in, and back to the question.
func TestAnswerAfterTheEnd(t *testing.T) {
	b := newStaying(t, "alice")
	page := b.open(asking(reports))
	b.town.sessions = map[string]*propuskpb.Account{}
	page = b.send(page, asking(reports), "answer", "allow")
	page.wants(t, 200, "Your session has ended")
	b.send(page, "/login", "login", "alice", "password", goodPassword).wants(t, 200, "Let this program in?")
	b = newStaying(t, "")
	b.post(asking(reports), url.Values{"answer": {"allow"}, "form_proof": {"x"}}).wants(t, 200, "Your session has ended")
	if b.town.made != 0 {
		t.Error("a code is made")
	}
}

// Cookies that were cut short are none.
func TestAuthorizeWithBrokenCookies(t *testing.T) {
	d := newDoor(t, newTown())
	for _, c := range []string{"__Host-yc_session=", "__Host-yc_session=c1.", "__Host-yc_session=c1.cut; __Host-propusk_once_" + strings.Repeat("0", 16) + "=x", "__Host-yc_session=a; __Host-yc_session=b"} {
		r := httptest.NewRequest(http.MethodGet, "https://host"+asking(reports), nil)
		r.Header.Set("Cookie", c)
		w := httptest.NewRecorder()
		if d.ServeHTTP(w, r); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login?") {
			t.Errorf("%q: %d %s", c, w.Code, w.Header().Get("Location"))
		}
	}
}
