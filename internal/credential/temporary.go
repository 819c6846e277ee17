package credential

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/temporary"
	"github.com/propusk/propusk/token"
)

// Sessions opens session tokens; *mint.Keyring is one.
type Sessions interface {
	// OpenSession reads a session token of this installation and derives the
	// secret that belongs to it; temporary.ErrMalformed for any other text.
	OpenSession(text string) (*temporary.Session, iam.Secret, error)
}

// proveTemporary checks a signature that a temporary access key made. Until the
// signature has verified, everything that is not good about the session token,
// the id and the signature gets one and the same answer; only then is looked at
// the times, at what was ended, at the static key that it is a child of, and at
// the account.
func (p *AccessKey) proveTemporary(ctx context.Context, s Signature, now time.Time) (*Identity, error) {
	if given := kindOf(s.SessionToken); given != "" && given != kindSessionToken {
		return nil, errNotSessionToken(given)
	}
	if p.Sessions == nil || p.Ended == nil {
		return nil, errTemporaryKey
	}
	position := p.Reads.Position() // before the look: what changes after it ends what is made of this
	session, secret, err := p.Sessions.OpenSession(s.SessionToken)
	if err != nil {
		return nil, errTemporaryKey
	}
	if subtle.ConstantTimeCompare([]byte(session.AccessKeyID), []byte(s.AccessKeyID)) != 1 || !s.madeWith(secret) {
		return nil, errTemporaryKey
	}
	if err := p.live(ctx, session, now); err != nil {
		return nil, err
	}
	id := &Identity{
		Subject: session.Subject, OrganizationID: session.OrganizationID,
		How: HowTemporaryKey, CredentialID: session.ID,
		Temporary: &TemporaryKey{SessionID: session.ID, Name: session.Name, Policy: session.Policy},
		Position:  position, NotAfter: session.ExpiresAt, DependsOn: slices.Clip(session.DependsOn),
	}
	switch session.Subject.Type {
	case iam.TypeServiceAccount:
	case iam.TypeUserAccount:
		if err := activePerson(ctx, p.Reads, string(session.Subject.ID)); err != nil {
			return nil, err
		}
		return id, nil
	default:
		return id, nil
	}
	account, err := activeAccount(ctx, p.Reads, string(session.Subject.ID), now)
	if err != nil {
		return nil, err
	}
	ancestors, err := p.Reads.Ancestors(ctx, account.ID)
	if err != nil {
		return nil, goneOr(err, errDeleted(account.ID))
	}
	at := homeOf(ancestors)
	id.OrganizationID, id.CloudID, id.FolderID = at.organization, at.cloud, at.folder
	id.NotAfter = earlier(id.NotAfter, account.ExpiresAt)
	return id, nil
}

// live tells why a session, whose holder has proved that it is his, is over.
func (p *AccessKey) live(ctx context.Context, s *temporary.Session, now time.Time) error {
	switch {
	case !now.Before(s.ExpiresAt):
		return errTemporaryExpired
	case now.Add(token.DefaultClockSkew).Before(s.IssuedAt):
		return errTemporaryFuture
	}
	depends := append(slices.Clip(s.DependsOn), token.Dependency{Kind: token.KindSigningKey, ID: s.KeyID})
	switch err := p.Ended(uint64(s.Position), depends); {
	case errors.Is(err, token.ErrStale):
		return errStale(err)
	case err != nil:
		return errTemporaryRevoked
	}
	if s.Ephemeral {
		return nil
	}
	// The revocation that came with the static key's deletion is forgotten
	// after the life of a session; its row is the other witness.
	parent, err := p.Reads.FindAccessKey(ctx, s.AccessKeyID)
	if err != nil {
		return goneOr(err, errTemporaryRevoked)
	}
	if parent.ServiceAccountID != string(s.Subject.ID) ||
		!slices.Contains(s.DependsOn, token.Dependency{Kind: token.KindCredential, ID: parent.ID}) {
		return errTemporaryRevoked
	}
	return nil
}

// Refusals of a temporary access key. The first is one for a session token that
// is unknown, altered, cut short or another installation's, for one of another
// access key, and for a signature that its secret did not make; the others are
// said only behind a signature that verified.
var (
	errTemporaryKey = refuse("temporary_key_invalid", "The signature is not valid: the session token is unknown or was altered, "+
		"belongs to another access key, or its secret did not make the signature")
	errTemporaryExpired = refuse("temporary_key_expired", "The temporary access key has expired")
	errTemporaryFuture  = refuse("temporary_key_not_yet_valid", "The temporary access key is not valid yet")
	errTemporaryRevoked = refuse("temporary_key_revoked", "The temporary access key has been revoked")
)

func errNotSessionToken(given string) *iam.Error {
	return refuse("credential_kind", "The session token is %s: a token that begins with s1. is expected", given)
}
