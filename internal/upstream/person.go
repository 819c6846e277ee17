package upstream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// google is the issuer that tells of addresses which are not its own.
const google = "https://accounts.google.com"

// Person is whom a provider has vouched for.
type Person struct {
	Subject       string // what the provider calls the account, and never another
	Email         string // "" when it told none that can be one
	EmailVerified bool   // the address is the person's
	Name          string // these may be ""
	GivenName     string
	FamilyName    string
	Login         string // that he would like; of any form

	// AuthenticatedAt is when he last proved himself to the provider, and not in the
	// future; zero when it did not tell.
	AuthenticatedAt time.Time

	hosted string // the domain that rules the account
	oddly  bool   // it told a time that is none
}

// stale tells whether a provider has said that somebody proved himself before a
// time.
func (who *Person) stale(since time.Time) bool {
	return who.oddly || !who.AuthenticatedAt.IsZero() && who.AuthenticatedAt.Before(since.Add(-clockSkew))
}

const (
	longestSubject = 255 // OpenID Connect Core 1.0 section 2
	longestEmail   = 100
	longestName    = 256
)

// person reads who the tokens are for.
func (p *provider) person(ctx context.Context, d *document, t *tokens, nonce string) (*Person, error) {
	if p.Issuer == "" {
		m, err := p.userinfo(ctx, d, t)
		if err != nil {
			return nil, err
		}
		who := &Person{Subject: m.id(p.Fields.Subject), Name: name(m.text(p.Fields.Name)), Login: m.text(p.Fields.Login),
			Email: email(m.text(p.Fields.Email))}
		who.EmailVerified = p.vouches(who.Email, m)
		return who, checkSubject(who.Subject)
	}
	c, err := p.idToken(ctx, d, t.id, nonce, t.access)
	if err != nil {
		return nil, err
	}
	at, _ := c.time("auth_time") // of the ID token, to which userinfo adds nothing here
	odd := at.IsZero() && c.has("auth_time")
	subject := c.text("sub")
	if err := checkSubject(subject); err != nil {
		return nil, err
	}
	if !c.has("email") && d.userinfo != "" {
		more, err := p.userinfo(ctx, d, t)
		if err != nil {
			return nil, err
		}
		if more.text("sub") != subject { // section 5.3.2: or the answer is somebody else's
			return nil, doubtful(errors.New("userinfo is of another account"))
		}
		delete(c, "email_verified") // it was said of no address
		for field, value := range more {
			if !c.has(field) {
				c[field] = value
			}
		}
	}
	who := p.personOf(subject, c)
	if now := p.now(); at.After(now) {
		at = now
	}
	who.AuthenticatedAt, who.oddly = at, odd
	return who, nil
}

func (p *provider) personOf(subject string, c members) *Person {
	who := &Person{Subject: subject, Email: email(c.text("email")), Name: name(c.text("name")), GivenName: name(c.text("given_name")),
		FamilyName: name(c.text("family_name")), Login: c.text("preferred_username"), hosted: c.text("hd")}
	who.EmailVerified = p.vouches(who.Email, c)
	if p.Issuer == google && who.hosted == "" && !strings.HasSuffix(strings.ToLower(who.Email), "@gmail.com") {
		// Google has looked at the address once, and whose it is now others know.
		who.EmailVerified = false
	}
	return who
}

// vouches tells whether an address is the person's, as the provider says. Trust in
// one that says nothing is none in what it denies.
func (p *provider) vouches(email string, said members) bool {
	if email == "" {
		return false
	}
	return said.yes("email_verified") || p.TrustEmail && !said.has("email_verified")
}

func (p *provider) userinfo(ctx context.Context, d *document, t *tokens) (members, error) {
	m, err := p.web.get(ctx, d.userinfo, t.access)
	if err != nil {
		return nil, away(fmt.Errorf("userinfo: %w", err))
	}
	return m, nil
}

func checkSubject(s string) error {
	if s == "" || len(s) > longestSubject || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return doubtful(errors.New("the account has no name that can be kept"))
	}
	return nil
}

var emailForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\\x{80}-\\x{10ffff}-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
})

// email is an address, or "" for what is none, or has letters that cannot be seen.
func email(text string) string {
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(text) > longestEmail || !utf8.ValidString(text) || !emailForm().MatchString(text) || strings.ContainsFunc(text, unseen) {
		return ""
	}
	return text
}

// name is a name that can be shown, or "".
func name(text string) string {
	text = strings.TrimSpace(text)
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > longestName || strings.ContainsFunc(text, unicode.IsControl) {
		return ""
	}
	return text
}
