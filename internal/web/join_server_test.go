package web_test

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

func signsUp(how string, domains ...string) propusktest.Option {
	return propusktest.WithConfig(func(c *server.Config) { c.SignUp, c.SignUpDomains = how, domains })
}

func invite(t *testing.T, w *propusktest.Server, r server.UserInviteRequest) (path, id string) {
	t.Helper()
	if r.Expires == 0 {
		r.Expires = time.Hour
	}
	made, err := w.Server.InviteUser(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(made.Link, w.HTTPURL), made.ID
}

// account is a person as the store has him.
func account(t *testing.T, w *propusktest.Server, login string) (u *iam.UserAccount) {
	t.Helper()
	err := w.Server.DB().View(t.Context(), func(tx *store.Tx) (err error) {
		u, err = store.GetUserAccountByLogin(tx, login)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newcomer(login, name, password string) []string {
	return []string{"login", login, "name", name, "new_password", password, "again", password}
}

const joinPassword = "seven odd little teapots"

func TestInvitation(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	_, err := w.Server.InviteUser(t.Context(), server.UserInviteRequest{Email: "carol@example.com", Name: harm, Expires: time.Hour})
	if !errors.Is(err, iam.InvalidArgument) { // it has a character that turns the others around
		t.Errorf("invited: %v", err)
	}
	proposed := strings.ReplaceAll(harm, "\u202E", "")
	path, id := invite(t, w, server.UserInviteRequest{Email: "Carol@Example.com", Name: proposed, Organizations: []string{w.OrganizationID}})
	b := realBrowser(t, w)
	page := b.open(path)
	page.wants(t, 200, "carol@example.com", "dev-organization", html.EscapeString(proposed)[:20])
	if strings.Contains(page.text, "<script>alert") {
		t.Error("a name is markup")
	}
	if h := page.Header; h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the link may leak: %v", h)
	}
	page = b.send(page, "/language", "language", "ru")
	page.wants(t, 200, "carol@example.com", "Создайте аккаунт")
	page = b.send(page, "/language", "language", "en")
	join := func(from *shown, pairs []string) *shown { t.Helper(); return b.send(from, "/join", pairs...) }
	join(page, newcomer("alice", "Carol", joinPassword)).wants(t, 400, "Somebody has this login.", `value="alice"`)
	join(page, newcomer("carol@x", "Carol", joinPassword)).wants(t, 400, "It takes Latin letters")
	join(page, newcomer("carol", "", joinPassword)).wants(t, 400, "Type your name.")
	join(page, newcomer("carol", "Carol\r\nBcc: x", joinPassword)).wants(t, 400, "characters that cannot be shown")
	join(page, newcomer("carol", "Carol", "carol")).wants(t, 400, `id="new_password-mistake"`)
	join(page, newcomer("carol", "Carol", "carol@example.com")).wants(t, 400, "It is too much like your login")
	after := b.send(join(page, []string{"login", "carol", "name", "x", "new_password", "a", "again", "b"}), "/language", "language", "en")
	after.wants(t, 200, "carol@example.com") // the link outlives a mistake and another language

	for action, form := range map[string]url.Values{"/join": {"invitation": {path[len(path)-43:]}, "login": {"carol"}, "name": {"C"}, "new_password": {joinPassword}, "again": {joinPassword}},
		"/forgot": {"login": {"alice"}}, "/sign-up": {"email": {"x@example.com"}}} {
		realBrowser(t, w).post(action, form).wants(t, 403, "This page is out of date") // nobody was shown the form
	}
	slow := realBrowser(t, w)
	slowPage := slow.open(path)
	const name = "Кэрол 🦊 <b>"
	s := join(page, newcomer("carol", name, joinPassword))
	if s.wants(t, 200, html.EscapeString(name), "dev-organization", "carol@example.com"); s.path != "/account" {
		t.Fatalf("joining leads to %s", s.path)
	}
	if u := account(t, w, "carol"); u.EmailUnverified || u.Email != "carol@example.com" || u.Name != name {
		t.Errorf("the account is %+v", u)
	}
	for what, link := range map[string]string{"used": path, "unknown": "/join?invitation=" + strings.Repeat("x", 43), "endless": "/join?invitation=" + strings.Repeat("x", 1500)} {
		if s := b.open(link); s.StatusCode != 403 || !strings.Contains(s.text, "This invitation does not work any more") {
			t.Errorf("%s: %d %s", what, s.StatusCode, s.text)
		}
	}
	slow.send(slowPage, "/join", newcomer("dave", "Dave", joinPassword)...).wants(t, 403, "This invitation does not work any more")
	b.open("/join").wants(t, 200, "This page opens from a link in an invitation.")
	if _, err := w.Server.RevokeInvitation(t.Context(), server.UserRevokeInvitationRequest{ID: id}); iam.KindOf(err) != iam.NotFound {
		t.Errorf("a used invitation is taken back: %v", err)
	}
	// The password works.
	other := realBrowser(t, w)
	if s := other.send(other.open("/login"), "/login", "login", "carol", "password", joinPassword); s.path != "/account" {
		t.Errorf("carol is led to %s", s.path)
	}
	lines := auditTypes(t, w)
	for _, want := range []string{"propusk.CreateInvitation", "propusk.AcceptInvitation", "propusk.CreateUserAccount", "iam.CreateIamCookieForSubject"} {
		if !strings.Contains(lines, "yandex.cloud.audit."+want+`"`) {
			t.Errorf("no line of %s", want)
		}
	}
	if secret := path[len(path)-43:]; strings.Contains(lines, secret) || strings.Contains(lines, "carol@example.com") {
		t.Error("the audit log has the link or the address")
	}
}

func auditTypes(t *testing.T, w *propusktest.Server) string {
	t.Helper()
	got, err := w.Server.AuditList(t.Context(), server.AuditListRequest{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, line := range got.Events {
		all.Write(line)
		all.WriteByte('\n')
	}
	return strings.ReplaceAll(all.String(), `": "`, `":"`)
}

func TestInvitationEnds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var plus time.Duration
	w := propusktest.New(t, propusktest.WithClock(func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(plus) }))
	b := realBrowser(t, w)
	taken, id := invite(t, w, server.UserInviteRequest{Email: "a@example.com"})
	page := b.open(taken)
	if _, err := w.Server.RevokeInvitation(t.Context(), server.UserRevokeInvitationRequest{ID: id}); err != nil {
		t.Fatal(err)
	}
	const over = "This invitation does not work any more"
	b.open(taken).wants(t, 403, over)
	b.send(page, "/join", newcomer("aa", "A", joinPassword)...).wants(t, 403, over)
	late, _ := invite(t, w, server.UserInviteRequest{Email: "b@example.com"})
	page = b.open(late)
	mu.Lock()
	plus = time.Hour
	mu.Unlock()
	b.open(late).wants(t, 403, over)
	b.send(page, "/join", newcomer("bb", "B", joinPassword)...).wants(t, 403, over)

	// Somebody has the address meanwhile.
	path, _ := invite(t, w, server.UserInviteRequest{Email: "c@example.com"})
	page = b.open(path)
	if _, err := w.Server.AddUser(t.Context(), server.UserAddRequest{Login: "cc", Email: "c@example.com"}); err != nil {
		t.Fatal(err)
	}
	b.send(page, "/join", newcomer("cccc", "C", joinPassword)...).wants(t, 409, "You have an account already")
	if _, err := w.Server.InviteUser(t.Context(), server.UserInviteRequest{Email: "c@example.com", Expires: time.Hour}); iam.KindOf(err) != iam.AlreadyExists {
		t.Errorf("an invitation of somebody who is there: %v", err)
	}
	for _, bad := range []server.UserInviteRequest{{Email: "x", Expires: time.Hour}, {Email: "a@b.example\r\nBcc: c@d.example", Expires: time.Hour},
		{Email: "d@example.com"}, {Email: "d@example.com", Expires: 91 * 24 * time.Hour}, {Email: "d@example.com", Expires: time.Hour, Name: "a\nb"}} {
		if _, err := w.Server.InviteUser(t.Context(), bad); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := w.Server.InviteUser(t.Context(), server.UserInviteRequest{Email: "d@example.com", Expires: time.Hour, Organizations: []string{"bpfnone"}}); iam.KindOf(err) != iam.NotFound {
		t.Errorf("an unknown organization: %v", err)
	}
	if _, err := w.Server.InviteUser(t.Context(), server.UserInviteRequest{Email: "d@example.com", Expires: time.Hour, Send: true}); iam.KindOf(err) != iam.FailedPrecondition {
		t.Errorf("mail without a server for it: %v", err)
	}
}

// Of many who open one link at once, one gets the account.
func TestInvitationOnce(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	path, _ := invite(t, w, server.UserInviteRequest{Email: "one@example.com"})
	var all sync.WaitGroup
	var mu sync.Mutex
	joined := 0
	for i := range 2 { // as many as may hash at once for one link
		b := realBrowser(t, w)
		page := b.open(path)
		all.Go(func() {
			if s := b.send(page, "/join", newcomer(fmt.Sprint("one", i), "One", joinPassword)...); s.path == "/account" {
				mu.Lock()
				joined++
				mu.Unlock()
			}
		})
	}
	if all.Wait(); joined != 1 {
		t.Errorf("%d people have joined", joined)
	}
}

func TestSignUpByMail(t *testing.T) {
	t.Parallel()
	p := openPostOffice(t)
	w := propusktest.New(t, mails(p), signsUp(server.SignUpByMail, "Example.com"))
	b := realBrowser(t, w)
	b.open("/login").wants(t, 200, `href="/sign-up"`, `href="/forgot"`)
	ask := func(email string) *shown { t.Helper(); return b.send(b.open("/sign-up"), "/sign-up", "email", email) }
	ask("").wants(t, 400, "Type your e-mail address.")
	ask("nonsense").wants(t, 400, "This is not an e-mail address that we can write to.")
	ask("x@example.com\r\nBcc: y@example.com").wants(t, 400, "This is not an e-mail address")
	ask("x@evil.example").wants(t, 400, "Mailboxes of this domain cannot be used here.")
	ask("x@sub.example.com").wants(t, 400, "Mailboxes of this domain cannot be used here.")
	fresh := ask("Dora@Example.com")
	fresh.wants(t, 200, "Look into your mailbox")
	letter := p.wait(t, 1)[0]
	if letter.to != "dora@example.com" || !strings.Contains(letter.text, "to make an account with this e-mail address") {
		t.Errorf("the letter is %+v", letter)
	}
	// One that is taken is told so by mail alone.
	if taken := ask("alice@example.com"); bare(taken) != bare(fresh) {
		t.Errorf("a taken address is answered\n%s\nand a free one\n%s", taken.text, fresh.text)
	}
	if l := p.wait(t, 2)[1]; l.to != "alice@example.com" || !strings.Contains(l.text, "Its login is alice") || strings.Contains(l.text, "/join") {
		t.Errorf("the letter is %+v", l)
	}
	// Another link ends the first; a mailbox is written three times an hour.
	for range 4 {
		ask("dora@example.com").wants(t, 200, "Look into your mailbox")
	}
	quiet(t, w)
	all := p.wait(t, 4)
	if len(all) != 4 {
		t.Errorf("%d letters", len(all))
	}
	b.open(letter.link(t)).wants(t, 403, "This invitation does not work any more")
	s := b.send(b.open(all[3].link(t)), "/join", newcomer("dora", "Dora", joinPassword)...)
	if s.path != "/account" {
		t.Fatalf("joining leads to %s: %s", s.path, s.text)
	}
	if u := account(t, w, "dora"); u.EmailUnverified || u.Email != "dora@example.com" {
		t.Errorf("the account is %+v", u)
	}
}

// bare is a page without what is new each time.
var eachTime = regexp.MustCompile(`name="form_proof" value="[^"]*"`)

func bare(s *shown) string {
	return fmt.Sprint(s.StatusCode, s.path, eachTime.ReplaceAllString(s.text, ""))
}

func TestSignUpAtOnce(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t, signsUp(server.SignUpOpen), propusktest.WithConfig(func(c *server.Config) {
		c.SignUpOrganization = []string{"bpfgone0000000000000"}
		c.Places = []string{"127.0.0.0/8=Somewhere here", "127.0.0.1=Дом & <b>"}
	}))
	b := realBrowser(t, w)
	b.open("/login").wants(t, 200, `href="/sign-up"`, "Your administrator can give you a link")
	page := b.open("/sign-up")
	if strings.Contains(page.text, `name="email"`) {
		t.Error("an address is asked for that nobody can look at")
	}
	b.send(page, "/sign-up", newcomer("bob", "B", joinPassword)...).wants(t, 400, "Somebody has this login.")
	b.send(page, "/sign-up", newcomer("erin", "E", "password")...).wants(t, 400, "tried first")
	b.send(page, "/sign-up", newcomer("erin", harm, joinPassword)...).wants(t, 400, "characters that cannot be shown")
	if s := b.send(page, "/sign-up", newcomer("erin", strings.ReplaceAll(harm, "\u202E", ""), joinPassword)...); s.path != "/account" || strings.Contains(s.text, "<script>alert") {
		t.Fatalf("%s %s", s.path, s.text)
	}
	if u := account(t, w, "erin"); !u.EmailUnverified || u.Email != "" {
		t.Errorf("the account is %+v", u)
	}
	b.open("/account/sessions").wants(t, 200, "127.0.0.1</bdi> · <bdi>Дом &amp; &lt;b&gt;</bdi>")
	got, err := w.Server.ListUserSessions(t.Context(), server.UserSessionsRequest{User: "erin"})
	if err != nil || len(got.Sessions) != 1 || got.Sessions[0].Place != "Дом & <b>" {
		t.Errorf("the operator sees %+v, %v", got, err)
	}
	b.open("/forgot").wants(t, 200, "Your administrator can give you a link")

	closed := realBrowser(t, propusktest.New(t))
	closed.open("/sign-up").wants(t, 404, "There is no such page")
	if s := closed.open("/login"); strings.Contains(s.text, "/sign-up") || strings.Contains(s.text, `"/forgot"`) {
		t.Error("the sign-in leads to pages that do nothing")
	}
}
