package credential

import (
	"context"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/opaque"
	"github.com/propusk/propusk/token"
)

// NewSessionCookie is a fresh cookie, and what is kept of it; see iam.Session.
func NewSessionCookie() (cookie iam.Secret, lookup string) {
	cookie = opaque.Cookie.New()
	return cookie, opaque.Lookup(cookie.Reveal())
}

// SessionCookieForm tells whether a text may be a cookie of a Propusk server.
func SessionCookieForm(text string) bool { return opaque.Cookie.Fits(text) }

// SessionLookup is what a session is found by; false for a text that is no cookie
// of one.
func SessionLookup(cookie string) (string, bool) {
	if !SessionCookieForm(cookie) {
		return "", false
	}
	return opaque.Lookup(cookie), true
}

// Session proves a person by the cookie of a session. It is safe for use by many
// goroutines.
type Session struct {
	Reads People
	// Find returns the session that a look-up leads to; see iam.Session.
	Find func(ctx context.Context, lookup string) (*iam.Session, error)
	Idle time.Duration // without use, after which a session has ended
	Now  func() time.Time
}

// One answer to a cookie that is malformed, unknown, or of a session that has ended.
var errSession = refuse("session_ended", "The session has ended: sign in again")

// Prove checks a cookie. What is made of it depends on the session and the
// person, and ends no later than the session would if it were not used again. It
// fails with UNAUTHENTICATED, also for a person who is suspended, or as the
// reads fail.
func (p *Session) Prove(ctx context.Context, text string) (*Identity, error) {
	position := p.Reads.Position() // before the rows: what changes after it ends what is made of this
	now := p.Now()
	s, err := p.live(ctx, text, now)
	if err != nil {
		return nil, err
	}
	if err := activePerson(ctx, p.Reads, s.UserID); err != nil {
		return nil, err
	}
	id := &Identity{
		Subject: iam.Subject{ID: iam.SubjectID(s.UserID), Type: iam.TypeUserAccount},
		How:     HowSession, CredentialID: s.ID, Position: position, NotAfter: s.ExpiresAt,
		DependsOn: []token.Dependency{{Kind: token.KindSession, ID: s.ID}, {Kind: token.KindSubject, ID: s.UserID}},
	}
	if idle := now.Add(p.Idle); idle.Before(id.NotAfter) {
		id.NotAfter = idle
	}
	if err := belong(ctx, p.Reads, id); err != nil {
		return nil, err
	}
	return id, nil
}

// Live returns the session of a cookie, whatever state its person is in. It fails
// with UNAUTHENTICATED when the cookie is none, or of a session that has ended.
func (p *Session) Live(ctx context.Context, text string) (*iam.Session, error) {
	return p.live(ctx, text, p.Now())
}

func (p *Session) live(ctx context.Context, text string, now time.Time) (*iam.Session, error) {
	if !SessionCookieForm(text) {
		return nil, errSession
	}
	s, err := p.Find(ctx, opaque.Lookup(text))
	if err != nil {
		return nil, goneOr(err, errSession)
	}
	if !now.Before(s.ExpiresAt) || now.Sub(s.LastSeenAt) > p.Idle {
		return nil, errSession
	}
	return s, nil
}
