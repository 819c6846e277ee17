package web_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/propusktest"
)

const invitationOver = "This invitation does not work any more"

// A link to a new account is worth what the settings say when it is used: who
// turns sign-up off, or a domain or an organization out of it, need not wait for
// the links that are under way.
func TestSignUpTurnedOff(t *testing.T) {
	t.Parallel()
	p, folder := openPostOffice(t), t.TempDir()
	w := propusktest.New(t, propusktest.OnDisk(folder))
	organization := w.OrganizationID
	w.Stop(t)
	into := func(ids ...string) propusktest.Option {
		return propusktest.WithConfig(func(c *server.Config) { c.SignUpOrganization = ids })
	}
	w = propusktest.New(t, propusktest.OnDisk(folder), mails(p), signsUp(server.SignUpByMail, "example.com", "example.org"), into(organization))
	links := map[string]string{}
	b := realBrowser(t, w)
	for i, mailbox := range []string{"dora@example.com", "erin@example.org", "frank@example.com", "gina@example.com"} {
		b.send(b.open("/sign-up"), "/sign-up", "email", mailbox).wants(t, 200, "Look into your mailbox")
		letter := p.wait(t, i+1)[i]
		links[letter.to] = letter.link(t)
	}
	join := func(mailbox, login string) *shown {
		t.Helper()
		page := b.open(links[mailbox])
		if page.StatusCode != 200 {
			return page
		}
		return b.send(page, "/join", newcomer(login, "X", joinPassword)...)
	}
	if join("gina@example.com", "gina"); !slices.Contains(memberships(t, w, "gina"), organization) {
		t.Error("gina is no member")
	}
	w.Stop(t)
	w = propusktest.New(t, propusktest.OnDisk(folder), mails(p), signsUp(server.SignUpByMail, "example.com"))
	b = realBrowser(t, w)
	join("erin@example.org", "erin").wants(t, 403, invitationOver)
	if s := join("dora@example.com", "dora"); s.path != "/account" {
		t.Fatalf("dora is led to %s", s.path)
	}
	if got := memberships(t, w, "dora"); len(got) != 0 {
		t.Errorf("dora is a member of %s", got)
	}
	w.Stop(t)
	w = propusktest.New(t, propusktest.OnDisk(folder), mails(p))
	b = realBrowser(t, w)
	join("frank@example.com", "frank").wants(t, 403, invitationOver)
}

func memberships(t *testing.T, w *propusktest.Server, login string) []string {
	t.Helper()
	all, err := w.Server.ListUsers(t.Context(), server.UserListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range all.Users {
		if u.Login == login {
			return u.Organizations
		}
	}
	t.Fatalf("there is no %s", login)
	return nil
}

// Of links to one mailbox the operator's last one works, and none outlives the
// account: who was removed does not come back by an old one.
func TestInvitationsToOneMailbox(t *testing.T) {
	t.Parallel()
	p := openPostOffice(t)
	w := propusktest.New(t, mails(p), signsUp(server.SignUpOpen))
	b := realBrowser(t, w)
	first, _ := invite(t, w, server.UserInviteRequest{Email: "carol@example.com", Organizations: []string{w.OrganizationID}})
	second, _ := invite(t, w, server.UserInviteRequest{Email: "Carol@example.com"})
	b.open(first).wants(t, 403, invitationOver)
	b.send(b.open("/sign-up"), "/sign-up", "email", "carol@example.com")
	third := p.wait(t, 1)[0].link(t)
	b.open(second).wants(t, 200, "carol@example.com") // a stranger ends none of the operator's
	if s := b.send(b.open(third), "/join", newcomer("carol", "Carol", joinPassword)...); s.path != "/account" {
		t.Fatalf("carol is led to %s", s.path)
	}
	if _, err := w.Server.RemoveUser(t.Context(), server.UserRemoveRequest{User: "carol"}); err != nil {
		t.Fatal(err)
	}
	b.open(second).wants(t, 403, invitationOver)
}

// Who holds a link learns of logins no faster than anybody else.
func TestInvitationProbes(t *testing.T) {
	t.Parallel()
	w := propusktest.New(t)
	path, _ := invite(t, w, server.UserInviteRequest{Email: "carol@example.com", Expires: time.Hour})
	b := realBrowser(t, w)
	page := b.open(path)
	for i := range 60 {
		s := b.send(page, "/join", newcomer("alice", "Carol", fmt.Sprint("pw", i))...)
		if s.StatusCode == 429 {
			return
		}
	}
	t.Error("nobody has slowed it down")
}

// What was under way when somebody was suspended stays ended.
func TestSuspensionEndsLinks(t *testing.T) {
	t.Parallel()
	p := openPostOffice(t)
	w := propusktest.New(t, mails(p))
	b := realBrowser(t, w)
	b.send(b.open("/forgot"), "/forgot", "login", "alice")
	link := p.wait(t, 1)[0].link(t)
	page := b.open(link)
	for _, act := range []func() error{
		func() error {
			_, err := w.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: "alice"})
			return err
		},
		func() error {
			_, err := w.Server.ReactivateUser(t.Context(), server.UserSuspendRequest{User: "alice"})
			return err
		},
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
		b.send(page, "/reset", "new_password", joinPassword, "again", joinPassword).wants(t, 403, "This link does not work any more")
	}
}
