package credential

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// A session's cookie is "c1.", 200 characters of base64url, which are 150 random
// bytes, a dot, and 86 more, the SHA-512 of what stands before it: a cookie that
// was cut short or mistyped is refused without a look into the store [API fact:
// IAM cookie c1.<at least 200>.<86>; what is in it is ours].
const (
	cookiePrefix  = "c1."
	cookieRandom  = 150
	cookiePayload = 200 // characters
	cookieLength  = len(cookiePrefix) + cookiePayload + 1 + 86
)

var cookieText = base64.RawURLEncoding.Strict()

// NewSessionCookie is a fresh cookie, and what is kept of it; see iam.Session.
func NewSessionCookie() (cookie iam.Secret, lookup string) {
	var raw [cookieRandom]byte
	_, _ = rand.Read(raw[:])
	head := cookiePrefix + cookieText.EncodeToString(raw[:])
	sum := sha512.Sum512([]byte(head))
	text := head + "." + cookieText.EncodeToString(sum[:])
	return iam.NewSecret(text), cookieLookup(text)
}

// SessionCookieForm tells whether a text may be a cookie of a Propusk server.
func SessionCookieForm(text string) bool {
	if len(text) != cookieLength || !strings.HasPrefix(text, cookiePrefix) || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return false
	}
	head, tail := text[:len(cookiePrefix)+cookiePayload], text[len(cookiePrefix)+cookiePayload:]
	var given [sha512.Size]byte
	if n, err := cookieText.Decode(given[:], []byte(tail[1:])); err != nil || n != len(given) || tail[0] != '.' {
		return false
	}
	sum := sha512.Sum512([]byte(head))
	return subtle.ConstantTimeCompare(sum[:], given[:]) == 1
}

// SessionLookup is what a session is found by; false for a text that is no cookie
// of one.
func SessionLookup(cookie string) (string, bool) {
	if !SessionCookieForm(cookie) {
		return "", false
	}
	return cookieLookup(cookie), true
}

func cookieLookup(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
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
	s, err := p.Find(ctx, cookieLookup(text))
	if err != nil {
		return nil, goneOr(err, errSession)
	}
	if !now.Before(s.ExpiresAt) || now.Sub(s.LastSeenAt) > p.Idle {
		return nil, errSession
	}
	return s, nil
}
