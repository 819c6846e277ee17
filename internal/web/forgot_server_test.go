package web_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	p := openPostOffice(t)
	w := propusktest.New(t, mails(p))
	if _, err := w.Server.AddUser(t.Context(), server.UserAddRequest{Login: "nomail"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Server.AddUser(t.Context(), server.UserAddRequest{Login: "asleep", Email: "asleep@example.com"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: "asleep"}); err != nil {
		t.Fatal(err)
	}
	err := w.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje0unvouched0000000", Login: "unvouched", Email: "unvouched@example.com", EmailUnverified: true, CreatedAt: tx.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	b := realBrowser(t, w)
	ask := func(login string) *shown { t.Helper(); return b.send(b.open("/forgot"), "/forgot", "login", login) }
	ask("").wants(t, 400, "Type your login")
	want := bare(ask("alice"))
	for _, login := range []string{"nobody", "nobody@example.com", "nomail", "asleep", "unvouched", "unvouched@example.com", "x\r\nRCPT TO:<y@example.com>", harm} {
		if got := bare(ask(login)); got != want {
			t.Errorf("%q is answered otherwise:\n%s", login, got)
		}
	}
	quiet(t, w)
	got := p.wait(t, 1)
	if len(got) != 1 || got[0].to != "alice@example.com" || !strings.Contains(got[0].text, "your account alice") {
		t.Fatalf("letters: %+v", got)
	}
	b.header.Set("Accept-Language", "ru")
	for _, name := range []string{"ALICE@example.com", "alice", "alice@example.com", "alice"} {
		ask(name).wants(t, 200, "Проверьте почту")
	}
	quiet(t, w)
	got = p.wait(t, 3)
	if len(got) != 3 || !strings.HasPrefix(got[2].text, "Здравствуйте!") {
		t.Fatalf("%d letters, the last: %q", len(got), got[len(got)-1].text)
	}
	b.header.Set("Accept-Language", "en")
	// Whichever is used ends the others, and every session.
	signedIn := realBrowser(t, w)
	signedIn.send(signedIn.open("/login"), "/login", "login", "alice", "password", w.Server.Dev().Password("alice").Reveal())
	b.send(b.open(got[0].link(t)), "/reset", "new_password", joinPassword, "again", joinPassword).wants(t, 200, "The password is set.")
	b.send(b.open(got[1].link(t)), "/reset", "new_password", joinPassword+"!", "again", joinPassword+"!").wants(t, 403, "This link does not work any more", `href="/forgot"`)
	b.open("/reset").wants(t, 200, "This page opens from a link", `href="/forgot"`)
	if s := signedIn.open("/account"); s.path != "/login?note=ended" {
		t.Errorf("a session lives on at %s", s.path)
	}
	lines := auditTypes(t, w)
	if n := strings.Count(lines, "propusk.CreateResetLink"); n != 3 {
		t.Errorf("%d lines of links", n)
	}
	if strings.Contains(lines, "nobody@example.com") {
		t.Error("the audit log has what strangers typed")
	}
}

// A letter waits for its SMTP server, sealed, and gives nothing away.
func TestMailWaits(t *testing.T) {
	t.Parallel()
	p := openPostOffice(t)
	p.closed = true
	var mu sync.Mutex
	var plus time.Duration
	w := propusktest.New(t, mails(p), propusktest.WithClock(func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(plus) }))
	made, err := w.Server.InviteUser(t.Context(), server.UserInviteRequest{Email: "late@example.com", Expires: 24 * time.Hour, Send: true, Language: "ru"})
	if err != nil || made.Link != "" {
		t.Fatalf("%+v, %v", made, err)
	}
	time.Sleep(1500 * time.Millisecond) // it was tried meanwhile, and refused
	err = w.Server.DB().View(t.Context(), func(tx *store.Tx) error {
		rows, err := store.ListSealed(tx, store.SealedMail, "", 2)
		if len(rows) != 1 || strings.Contains(string(rows[0].Sealed), "late@") || strings.Contains(string(rows[0].Sealed), "join") {
			t.Errorf("%d messages wait, or one lies open", len(rows))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.closed = false
	p.mu.Unlock()
	mu.Lock()
	plus = 2 * time.Minute
	mu.Unlock()
	letter := p.wait(t, 1)[0]
	if letter.to != "late@example.com" || !strings.Contains(letter.subject, "Приглашение") {
		t.Errorf("%+v", letter)
	}
	realBrowser(t, w).open(letter.link(t)).wants(t, http.StatusOK, "late@example.com")
	if _, err := w.Server.TestMail(t.Context(), server.MailTestRequest{Address: "ops@example.com"}); err != nil {
		t.Error(err)
	}
	p.wait(t, 2)
}
