package server

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// postRoom is a server that serves nobody, and what its mail job has sent.
type postRoom struct {
	*Server
	mu   sync.Mutex
	sent []*mail.Letter
	away bool // the SMTP server is
}

func openPostRoom(t *testing.T, change func(*Config)) *postRoom {
	t.Helper()
	cfg := Config{PublicURL: "https://id.example/", SMTP: SMTP{Address: "127.0.0.1:1", From: "propusk@id.example", TLS: string(mail.Plain)}}
	change(&cfg)
	s, err := New(t.Context(), cfg, Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p := &postRoom{Server: s}
	s.outbox.Send = func(_ context.Context, l *mail.Letter) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.away {
			return &mail.SendError{Step: "connect", Err: errors.New("nobody is there")}
		}
		p.sent = append(p.sent, l)
		return nil
	}
	return p
}

func (p *postRoom) ask(t *testing.T, kind mail.Kind, who string) {
	t.Helper()
	m, err := p.outbox.Pack(mail.Envelope{Ask: &mail.Ask{Kind: kind, Who: who}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.db.Update(t.Context(), func(tx *store.Tx) error { return mail.PostAsk(tx, m, time.Hour) }); err != nil {
		t.Fatal(err)
	}
}

func (p *postRoom) waiting(t *testing.T) (n int) {
	t.Helper()
	if err := p.db.View(t.Context(), func(tx *store.Tx) (err error) { n, err = store.CountMail(tx, 1000); return err }); err != nil {
		t.Fatal(err)
	}
	return n
}

var linkInLetter = regexp.MustCompile(`https://id\.example/(?:join|reset)\?\S+`)

func lookupOf(t *testing.T, l *mail.Letter) string {
	t.Helper()
	u, err := url.Parse(linkInLetter.FindString(l.Text))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	return signin.TicketLookup(q.Get("token") + q.Get("invitation"))
}

// Wishes that many nodes find at once lead to as many letters as of one node, and
// what was sent works.
func TestMailOfManyNodes(t *testing.T) {
	t.Parallel()
	database, key := pgtest.Shared(t).Schema(t), filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	open := func() *postRoom {
		return openPostRoom(t, func(c *Config) {
			c.Data, c.Database, c.MasterKey.File = t.TempDir(), DatabaseURL(database), key
			c.SignUp, c.SignUpDomains = SignUpByMail, []string{"example.com"}
		})
	}
	nodes := []*postRoom{open(), open(), open()}
	if _, err := nodes[0].AddUser(t.Context(), UserAddRequest{Login: "carol", Email: "carol@example.com"}); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		nodes[i%3].ask(t, mail.Reset, []string{"carol", "CAROL@example.com"}[i%2])
		nodes[i%3].ask(t, mail.SignUp, "dora@example.com")
		nodes[i%3].ask(t, mail.Reset, "nobody@example.com")
	}
	for nodes[0].waiting(t) > 0 {
		var all sync.WaitGroup
		for _, n := range nodes {
			all.Go(func() {
				if err := n.outbox.RunDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	tickets, invitations, letters := 0, 0, map[string]int{}
	err := nodes[0].db.View(t.Context(), func(tx *store.Tx) error {
		for _, n := range nodes {
			for _, l := range n.sent {
				letters[l.To]++
				if _, err := store.FindTicket(tx, iam.TicketPasswordReset, lookupOf(t, l)); err == nil {
					tickets++
				}
				if _, err := store.FindInvitation(tx, lookupOf(t, l)); err == nil {
					invitations++
				}
			}
		}
		return nil
	})
	if err != nil || letters["carol@example.com"] != 3 || letters["dora@example.com"] != 3 || len(letters) != 2 || tickets != 3 || invitations != 1 {
		t.Errorf("letters: %v, of which %d reset a password and %d make an account; %v", letters, tickets, invitations, err)
	}
}

// A letter that waits moves under another master key with all else, and is sent
// when the old one is gone.
func TestMailOutlivesMasterKeys(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	inFolder := func(c *Config) { c.Data = folder }
	p := openPostRoom(t, inFolder)
	p.away = true
	if _, err := p.InviteUser(t.Context(), UserInviteRequest{Email: "late@example.com", Expires: time.Hour, Send: true}); err != nil {
		t.Fatal(err)
	}
	p.ask(t, mail.Reset, "nobody")
	got, err := p.RotateMaster(t.Context(), RotateMasterRequest{NewKey: true})
	if err != nil || len(got.Removable()) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "master.key")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:bytes.IndexByte(text, '\n')+1], 0o600); err != nil {
		t.Fatal(err)
	}
	p = openPostRoom(t, inFolder)
	if err := p.outbox.RunDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(p.sent) != 1 || p.waiting(t) != 0 {
		t.Fatalf("%d letters; %d wait", len(p.sent), p.waiting(t))
	}
	err = p.db.View(t.Context(), func(tx *store.Tx) error {
		_, err := store.FindInvitation(tx, lookupOf(t, p.sent[0]))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A wish of before sign-up was turned off leads to nothing.
func TestWishesAfterSignUpIsOff(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"off":            func(*Config) {},
		"another domain": func(c *Config) { c.SignUp, c.SignUpDomains = SignUpByMail, []string{"example.org"} },
	} {
		p := openPostRoom(t, func(c *Config) { c.Data = t.TempDir(); change(c) })
		p.ask(t, mail.SignUp, "dora@example.com")
		if err := p.outbox.RunDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := p.ListInvitations(t.Context(), UserInvitationsRequest{})
		if err != nil || len(list.Invitations) != 0 || len(p.sent) != 0 || p.waiting(t) != 0 {
			t.Errorf("%s: %+v, %d letters, %d wait; %v", name, list, len(p.sent), p.waiting(t), err)
		}
	}
}
