package mint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

// SessionRequest is a proved caller who is to get a temporary access key.
type SessionRequest struct {
	Subject        iam.Subject
	OrganizationID string
	CloudID        string             // of a service account; "" for others
	FolderID       string             // of a service account; "" for others
	Position       iam.Position       // applied before the caller was proved
	NotAfter       time.Time          // zero: nothing shortens the session
	Life           time.Duration      // that was asked for; 0 or more than 12 h: 12 h
	DependsOn      []token.Dependency // what ends the session; the session itself is added
	AccessKeyID    string             // of the static access key that asks, which DependsOn names; "" for an ephemeral key
	Name           string             // up to 64 printable characters
	Policy         string             // JSON that internal/sessionpolicy has accepted; "" limits nothing
}

// TemporaryKey is a temporary access key as its holder gets it.
type TemporaryKey struct {
	AccessKeyID  string
	Secret       iam.Secret
	SessionToken iam.Secret
	SessionID    string // by which it is revoked, as token.KindSession
	KeyID        string // of the installation's key that the token was made with
	ExpiresAt    time.Time
}

// Sessions makes temporary access keys. It is safe for use by many goroutines.
type Sessions struct {
	ring *Keyring
	now  Clock
	ids  idSource
}

// NewSessions makes temporary access keys with the ring's current session key.
func NewSessions(ring *Keyring, now Clock) *Sessions { return &Sessions{ring: ring, now: now} }

// Make makes a temporary access key, which lives until NotAfter, for Life, or
// for 12 hours, whichever ends first. No row is written. It fails with
// UNAUTHENTICATED when NotAfter has passed, INVALID_ARGUMENT when the policy is
// too long for a token, FAILED_PRECONDITION when the key would depend on more
// than temporary.MaxDependencies things or be of a subject that can have none, and
// UNAVAILABLE when no session key may be used.
func (m *Sessions) Make(_ context.Context, r SessionRequest) (*TemporaryKey, error) {
	now := m.now().UTC().Truncate(time.Millisecond)
	expires, err := r.expires(now)
	if err != nil {
		return nil, err
	}
	key, err := orNone(current(m.ring.held.Load().session, now))
	if err != nil {
		return nil, err
	}
	policy, err := compact(r.Policy)
	if err != nil {
		return nil, err
	}
	id := m.ids.next()
	depends, err := withSelf(token.Dependency{Kind: token.KindSession, ID: id}, r.DependsOn, temporary.MaxDependencies)
	if err != nil {
		return nil, err
	}
	s := &temporary.Session{
		ID: id, AccessKeyID: r.AccessKeyID, Ephemeral: r.AccessKeyID == "", Name: r.Name, Policy: policy,
		Subject: r.Subject, OrganizationID: r.OrganizationID, CloudID: r.CloudID, FolderID: r.FolderID,
		IssuedAt: now, ExpiresAt: expires, Position: r.Position, DependsOn: depends,
	}
	if s.Ephemeral {
		s.AccessKeyID = resource.NewID(resource.PrefixIAM)
	}
	text, secret, err := key.session.Make(s)
	switch {
	case err == nil:
	case errors.Is(err, temporary.ErrSession):
		return nil, iam.Wrap(err, iam.FailedPrecondition, "No temporary access key can be made for this subject: its ids do not fit into one")
	default:
		return nil, iam.Wrap(err, iam.Internal, "The session token could not be made")
	}
	return &TemporaryKey{AccessKeyID: s.AccessKeyID, Secret: secret, SessionToken: text, SessionID: id, KeyID: key.ID, ExpiresAt: expires}, nil
}

// expires is when a session that begins now ends.
func (r *SessionRequest) expires(now time.Time) (time.Time, error) {
	life := r.Life
	if life <= 0 || life > Life {
		life = Life
	}
	expires := now.Add(life).Truncate(time.Millisecond)
	if !r.NotAfter.IsZero() && r.NotAfter.Before(expires) {
		expires = r.NotAfter.UTC().Truncate(time.Millisecond)
	}
	if !expires.After(now) {
		e := iam.Errorf(iam.Unauthenticated, "What proves the caller has expired")
		e.Reason = "credential_expired"
		return expires, e
	}
	return expires, nil
}

// compact drops the white space of a policy, which every request would carry.
// It is not compressed: what is read of each request is to cost little, and to
// have one spelling.
func compact(policy string) (string, error) {
	if policy == "" {
		return "", nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(policy)); err != nil {
		return "", iam.InvalidField("policy", "not JSON")
	}
	if b.Len() > temporary.MaxPolicy {
		return "", iam.InvalidField("policy", "has %d bytes without white space, at most %d fit into a session token", b.Len(), temporary.MaxPolicy)
	}
	return b.String(), nil
}
