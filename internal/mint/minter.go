package mint

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// Life is how long an IAM token lives unless Request.NotAfter shortens it
// [API fact: 43,200 s].
const Life = 12 * time.Hour

// Clock tells the time.
type Clock func() time.Time

// Request is a proved caller who is to get a token.
type Request struct {
	Subject        iam.Subject
	OrganizationID string
	FolderID       string       // of a service account; "" for others
	Position       iam.Position // applied before the caller was proved
	NotAfter       time.Time    // zero: nothing shortens the token's life
	// DependsOn is what ends the token, the key that signed its parent among it.
	// The minter adds the token itself and leaves out what the token implies.
	DependsOn []token.Dependency
}

// Minter makes IAM tokens. It is safe for use by many goroutines.
type Minter struct {
	ring *Keyring
	now  Clock
	ids  idSource
}

// NewMinter makes a minter that signs with the ring's current key.
func NewMinter(ring *Keyring, now Clock) *Minter {
	return &Minter{ring: ring, now: now}
}

// Mint makes a token and returns it with what it says. No row is written. It
// fails with UNAUTHENTICATED when NotAfter has passed, FAILED_PRECONDITION when
// the token would depend on more than token.MaxDependencies things or not fit
// into token.MaxLength, and UNAVAILABLE when no key may sign.
func (m *Minter) Mint(_ context.Context, r Request) (string, *token.Claims, error) {
	now := m.now().UTC().Truncate(time.Millisecond)
	expires := now.Add(Life)
	if !r.NotAfter.IsZero() && r.NotAfter.Before(expires) {
		expires = r.NotAfter.UTC().Truncate(time.Millisecond)
		if !expires.After(now) {
			e := iam.Errorf(iam.Unauthenticated, "What proves the caller has expired")
			e.Reason = "credential_expired"
			return "", nil, e
		}
	}
	key, err := m.ring.Current(now)
	if err != nil {
		return "", nil, err
	}
	id := m.ids.next()
	signer := token.Dependency{Kind: token.KindSigningKey, ID: key.ID}
	given := slices.DeleteFunc(slices.Clone(r.DependsOn), func(d token.Dependency) bool { return d == signer })
	depends, err := withSelf(token.Dependency{Kind: token.KindToken, ID: id}, given, token.MaxDependencies)
	if err != nil {
		return "", nil, err
	}
	claims := &token.Claims{
		ID: id, KeyID: key.ID, Installation: m.ring.installation,
		IssuedAt: now, ExpiresAt: expires, Position: uint64(r.Position),
		SubjectType: string(r.Subject.Type), SubjectID: string(r.Subject.ID),
		OrganizationID: r.OrganizationID, FolderID: r.FolderID,
		DependsOn: depends,
	}
	text, err := token.Sign(claims, key.Signer)
	switch {
	case err == nil:
		return text, claims, nil
	case errors.Is(err, token.ErrClaims):
		return "", nil, iam.Wrap(err, iam.FailedPrecondition, "No token can be made for this subject: its ids do not fit into one")
	default:
		return "", nil, iam.Wrap(err, iam.Internal, "The token could not be signed")
	}
}

// withSelf is what is made and what that was given, each once, of which it may
// have so many.
func withSelf(self token.Dependency, given []token.Dependency, most int) ([]token.Dependency, error) {
	depends := make([]token.Dependency, 0, len(given)+1)
	depends = append(depends, self)
next:
	for _, d := range given {
		for _, have := range depends {
			if have == d {
				continue next
			}
		}
		if len(depends) == most {
			e := iam.Errorf(iam.FailedPrecondition,
				"The chain of impersonation is too deep: the token would depend on more than %d things", most)
			e.Reason = "chain_too_deep"
			return nil, e
		}
		depends = append(depends, d)
	}
	return depends, nil
}
