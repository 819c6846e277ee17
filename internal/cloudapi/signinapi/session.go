package signinapi

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

const (
	// mostSessions is how many a person has at most; the one that was seen longest
	// ago makes room for another.
	mostSessions  = 100
	mostUserAgent = 256 // characters that are kept
)

// Methods of RFC 8176, section 2. It has no word for recovery codes.
const (
	methodPassword = "pwd"
	methodOTP      = "otp"
	methodMFA      = "mfa"
	methodDevice   = "hwk" // a key that stays where it is, as its authenticator says
	methodSoftware = "swk" // a key that is carried from device to device
	methodPresence = "user"
)

// freshSession is a session that is about to begin, with its cookie.
type freshSession struct {
	iam.Session
	cookie iam.Secret

	id        string // of one that begins
	former    string // look-up of the cookie that the browser has; "" when it has none
	continued bool
	proved    time.Time // when the person proved himself elsewhere; zero: just now
}

// provedLately is how long ago a person may have proved himself elsewhere, by a
// clock that is not ours, and it was now.
const provedLately = time.Minute

// newSession is one of a person who has proved himself, by some methods of RFC 8176.
func newSession(userID string, client *propuskpb.Client, secondFactor bool, methods ...string) *freshSession {
	cookie, lookup := credential.NewSessionCookie()
	former, _ := credential.SessionLookup(client.GetFormerSession())
	return &freshSession{cookie: cookie, id: resource.NewID(resource.PrefixIAM), former: former, Session: iam.Session{
		UserID: userID, Lookup: lookup, Methods: methods, SecondFactor: secondFactor,
		Address: shown(client.GetAddress()), UserAgent: shown(client.GetUserAgent()),
	}}
}

// shown is a client's text without what nobody can read and no store may take.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	if r := []rune(text); len(r) > mostUserAgent {
		text = string(r[:mostUserAgent])
	}
	return text
}

// begin writes the session, and that there is a cookie now, beside the line of
// the call itself. Of a person who has proved himself again in his own browser the
// session goes on, with all that rests on it, and its former cookie is no good any
// more.
func (s *SignInService) begin(tx *store.Tx, call *gate.Call, f *freshSession) (err error) {
	if len(f.Methods) == 0 {
		return errors.New("signinapi: a session begins and nobody says how")
	}
	now := tx.Now()
	f.ID, f.CreatedAt, f.AuthenticatedAt, f.LastSeenAt, f.ExpiresAt, f.continued = f.id, now, now, now, now.Add(s.Life), false
	if !f.proved.IsZero() && now.Sub(f.proved) > provedLately {
		f.AuthenticatedAt = f.proved
	}
	if f.former != "" {
		if f.continued, err = store.RenewSession(tx, f.former, &f.Session, now.Add(-s.Idle)); err != nil {
			return err
		}
	}
	call.NoteDetail(audit.Text("session_id", f.ID))
	if !f.continued {
		if err := store.InsertSession(tx, &f.Session); err != nil {
			return err
		}
	}
	beyond, err := store.DeleteSessionsBeyond(tx, f.UserID, mostSessions)
	if err != nil {
		return err
	}
	if err := revokeSessions(tx, beyond); err != nil {
		return err
	}
	e := gate.EventOf(call, nil)
	e.Type = audit.TypeOf("iam.CreateIamCookieForSubject")
	e.Details = audit.Details{audit.Text("session_id", f.ID), audit.Text("subject_id", f.UserID), audit.Time("expires_at", f.ExpiresAt)}
	return audit.Insert(tx, e)
}

func (f *freshSession) answer() *propuskpb.SignInResponse {
	return &propuskpb.SignInResponse{Result: &propuskpb.SignInResponse_Session_{Session: &propuskpb.SignInResponse_Session{
		Cookie: f.cookie.Reveal(), ExpiresAt: timestamppb.New(f.ExpiresAt), Continued: f.continued,
	}}}
}

// endSession ends one session of a person with all that was made of it.
func endSession(tx *store.Tx, userID, id string) error {
	if err := store.DeleteSession(tx, userID, id); err != nil {
		return err
	}
	return revocation.Revoke(tx, token.KindSession, id)
}

// EndSessions ends a person's sessions but one, which may be "", with all that
// was made of them, and tells how many there were.
func EndSessions(tx *store.Tx, userID, but string) (int, error) {
	ended, err := store.DeleteSessions(tx, userID, but)
	if err != nil {
		return 0, err
	}
	return len(ended), revokeSessions(tx, ended)
}

func endedDetail(sessions int) audit.Detail {
	return audit.Text("sessions_ended", strconv.Itoa(sessions))
}

func revokeSessions(tx *store.Tx, ids []string) error {
	for _, id := range ids {
		if err := revocation.Revoke(tx, token.KindSession, id); err != nil {
			return err
		}
	}
	return nil
}

func sessionProto(s *iam.Session, current string) *propuskpb.AccountSession {
	return &propuskpb.AccountSession{
		Id: s.ID, CreatedAt: stamp(s.CreatedAt), LastSeenAt: stamp(s.LastSeenAt), ExpiresAt: stamp(s.ExpiresAt),
		Address: s.Address, UserAgent: s.UserAgent, Current: s.ID == current, SecondFactor: s.SecondFactor,
	}
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
