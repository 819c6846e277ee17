package web_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

// originJar keeps cookies of origins apart that differ in their ports alone, as
// those of two servers of a test do.
type originJar struct {
	mu   sync.Mutex
	jars map[string]*cookiejar.Jar
}

func (j *originJar) of(u *url.URL) *cookiejar.Jar {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.jars[u.Host] == nil {
		j.jars[u.Host], _ = cookiejar.New(nil) // never fails
	}
	return j.jars[u.Host]
}

func (j *originJar) SetCookies(u *url.URL, all []*http.Cookie) { j.of(u).SetCookies(u, all) }
func (j *originJar) Cookies(u *url.URL) []*http.Cookie         { return j.of(u).Cookies(u) }

// pair is a whole server that signs people in by another one.
type pair struct {
	t           *testing.T
	home, there *propusktest.Server // there is the provider "sister" of home

	mu   sync.Mutex
	plus time.Duration
}

// sisterClient is home as there knows it.
const sisterClient = "ajesisterclient00000"

func newPair(t *testing.T, change func(*server.SignInProvider)) *pair {
	t.Helper()
	p := &pair{t: t}
	p.there = propusktest.New(t, propusktest.WithClock(p.now))
	secret, row := credential.NewOAuthClientSecret()
	settings := server.SignInProvider{ID: "sister", Title: "Sister & Co", Issuer: p.there.HTTPURL, ClientID: sisterClient, ClientSecret: server.ClientSecret(secret.Reveal())}
	change(&settings)
	p.home = propusktest.New(t, propusktest.WithClock(p.now), propusktest.WithConfig(func(c *server.Config) { c.Providers = []server.SignInProvider{settings} }))
	err := p.there.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
		err := store.InsertOAuthClient(tx, &iam.OAuthClient{ID: sisterClient, FolderID: p.there.FolderID, Name: "home", ProfileID: oauthclient.Web,
			RedirectURIs: []string{p.home.HTTPURL + "/login/from/sister"}, PKCERequired: true, AuthenticationMethods: []string{oauthclient.SecretBasic}})
		if err != nil {
			return err
		}
		row.ID, row.OAuthClientID, row.CreatedAt = "ajesistersecret00000", sisterClient, tx.Now()
		return store.InsertOAuthClientSecret(tx, row)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) now() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return time.Now().Add(p.plus) }

func (p *pair) advance(d time.Duration) { p.mu.Lock(); p.plus += d; p.mu.Unlock() }

// visitor is one browser in front of both servers.
type visitor struct {
	p           *pair
	home, there *browser
}

func (p *pair) visitor() *visitor {
	v := &visitor{p: p, home: realBrowser(p.t, p.home)}
	v.home.client.Jar = &originJar{jars: map[string]*cookiejar.Jar{}}
	at := *v.home
	at.server = &httptest.Server{URL: p.there.HTTPURL}
	v.there = &at
	return v
}

// on goes on from pages that lead elsewhere by themselves.
func (v *visitor) on(s *shown) *shown {
	v.p.t.Helper()
	for range 5 {
		_, to, leads := strings.Cut(s.Header.Get("Refresh"), "0;url=")
		if !leads {
			return s
		}
		r, err := http.NewRequestWithContext(v.p.t.Context(), http.MethodGet, to, nil)
		if err != nil {
			v.p.t.Fatal(err)
		}
		s = v.home.do(r)
	}
	v.p.t.Fatal("a browser is sent to and fro")
	return nil
}

// setOut chooses the provider on a page of signing in.
func (v *visitor) setOut(from string) *shown {
	v.p.t.Helper()
	return v.on(v.home.send(v.home.open(from), "/login/to", "provider", "sister"))
}

// come goes to the provider, signs in there and lets the other server in.
func (v *visitor) come(login, password string) *shown {
	v.p.t.Helper()
	return v.allow(v.prove(v.setOut("/login"), login, password))
}

// prove signs in at the provider where its page asks for it.
func (v *visitor) prove(s *shown, login, password string) *shown {
	v.p.t.Helper()
	if !v.isThere(s) || s.Request.URL.Path != "/login" {
		return s
	}
	return v.on(v.there.send(s, "/login", "login", login, "password", password))
}

func (v *visitor) isThere(s *shown) bool { return "http://"+s.Request.URL.Host == v.p.there.HTTPURL }

// allow lets the other server in where the provider asks whether.
func (v *visitor) allow(s *shown) *shown {
	v.p.t.Helper()
	if !v.isThere(s) || s.Request.URL.Path != "/oauth/authorize" {
		return s
	}
	return v.on(v.there.send(s, s.path, "answer", "allow"))
}

// person makes somebody at a server who has a password.
func person(t *testing.T, w *propusktest.Server, login, email string, vouched bool) {
	t.Helper()
	err := w.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
		u := &iam.UserAccount{ID: resource.NewID(resource.PrefixIAM), Login: login, Email: email, EmailUnverified: !vouched, Name: "Person " + login, CreatedAt: tx.Now()}
		if err := store.InsertUserAccount(tx, u); err != nil {
			return err
		}
		_, err := store.AddMember(tx, w.OrganizationID, iam.SubjectID(u.ID))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Server.SetUserPassword(t.Context(), server.UserPasswordRequest{User: login, Password: joinPassword}); err != nil {
		t.Fatal(err)
	}
}

// One whole server signs people in who are known to another one.
func TestSignInBySister(t *testing.T) {
	t.Parallel()
	p := newPair(t, func(c *server.SignInProvider) { c.Create, c.Match = true, server.MatchEmail })
	person(t, p.there, "carol", "carol@example.com", true)

	v := p.visitor()
	s := v.come("carol", joinPassword)
	if s.wants(t, 200, "Person carol", "carol@example.com"); v.isThere(s) || s.path != "/account" {
		t.Fatalf("carol is led to %s", s.Request.URL)
	}
	carol := account(t, p.home, "carol")
	if carol.EmailUnverified || carol.Email != "carol@example.com" || carol.ID == account(t, p.there, "carol").ID {
		t.Errorf("the account is %+v", carol)
	}
	v.home.open("/account/connections").wants(t, 200, "Sister &amp; Co", "carol@example.com")
	// By a live session there, nothing is asked …
	other := p.visitor()
	other.come("carol", joinPassword)
	other.home.send(other.home.open("/account"), "/logout")
	if s := other.setOut("/login"); s.path != "/account" || other.isThere(s) {
		t.Fatalf("with a session there she is led to %s", s.Request.URL)
	}
	// … unless she has to prove herself anew: then it counts for nothing.
	p.advance(6 * time.Minute)
	page := v.home.open("/account/connections/remove?id=" + url.QueryEscape(p.there.HTTPURL))
	s = v.home.send(page, "/account/connections/remove")
	if s.wants(t, 200); !strings.HasPrefix(s.path, "/login?again=yes") {
		t.Fatalf("she is led to %s", s.path)
	}
	s = v.setOut(s.path)
	if s.wants(t, 200, "Sign in once more"); !v.isThere(s) {
		t.Fatalf("without a question she is led to %s", s.Request.URL)
	}
	if s = v.allow(v.prove(s, "carol", joinPassword)); v.isThere(s) || s.path != "/account/connections" {
		t.Fatalf("she is led to %s", s.Request.URL)
	}
	v.home.send(page, "/account/connections/remove").wants(t, 403, "out of date") // a form of the cookie before
	page = v.home.open("/account/connections/remove?id=" + url.QueryEscape(p.there.HTTPURL))
	v.home.send(page, "/account/connections/remove").wants(t, 409, "only way to sign in")

	// Alice has an account on both sides, with one address that both vouch for.
	alice := p.visitor()
	if s := alice.come("alice", p.there.Server.Dev().Password("alice").Reveal()); s.path != "/account" {
		t.Fatalf("alice is led to %s: %s", s.Request.URL, s.text)
	}
	alice.home.open("/account/connections").wants(t, 200, "Sister &amp; Co", "alice@example.com")
	alice.home.open("/account").wants(t, 200, "dev-organization")

	// Another key signs: those who come next get in, and in the end the first is gone.
	for range 3 {
		if _, err := p.there.Server.RotateKeys(t.Context(), server.RotateKeysRequest{}); err != nil {
			t.Fatal(err)
		}
		p.advance(26 * time.Hour)
		if s := p.visitor().come("carol", joinPassword); s.path != "/account" {
			t.Fatalf("after another key signs she is led to %s: %s", s.Request.URL, s.text)
		}
	}
	// Who is suspended there comes no more, and who is here is told so.
	if _, err := p.there.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: "carol"}); err != nil {
		t.Fatal(err)
	}
	if s := v.come("carol", joinPassword); !v.isThere(s) || s.StatusCode != 403 || !strings.Contains(s.text, "suspended") {
		t.Errorf("who is suspended there is led to %s: %d", s.Request.URL, s.StatusCode)
	}
	if _, err := p.home.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: "alice"}); err != nil {
		t.Fatal(err)
	}
	if s := p.visitor().come("alice", p.there.Server.Dev().Password("alice").Reveal()); v.isThere(s) || s.StatusCode != 403 || !strings.Contains(s.text, "suspended") {
		t.Errorf("who is suspended here is led to %s: %d", s.Request.URL, s.StatusCode)
	}
}

// An address that the other server does not vouch for leads to nobody's account.
func TestSignInBySisterUnvouched(t *testing.T) {
	t.Parallel()
	for what, create := range map[string]bool{"none is made": false, "one is made": true} {
		p := newPair(t, func(c *server.SignInProvider) { c.Create, c.Match = create, server.MatchEmail })
		person(t, p.there, "mallory", "victim@example.com", false)
		person(t, p.home, "victim", "victim@example.com", true)
		v := p.visitor()
		s := v.come("mallory", joinPassword)
		if v.isThere(s) || strings.Contains(s.text, "Person victim") || strings.Contains(s.text, "victim@example.com") {
			t.Fatalf("%s: led to %s:\n%s", what, s.Request.URL, s.text)
		}
		if !create {
			s.wants(t, 403, "No account here is connected")
			continue
		}
		if s.wants(t, 200, "Person mallory"); account(t, p.home, "mallory").Email != "" {
			t.Error("the address is taken")
		}
	}
}
