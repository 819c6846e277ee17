package credential

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/token"
)

// Verifier checks a token's form, signature, times and revocation; *token.Verifier
// is one. It must have been told every revocation up to the position that
// Accounts.Position returns.
type Verifier interface {
	Verify(text string) (*token.Claims, error)
}

// IAMToken proves whoever holds an IAM token of this installation. It is safe
// for use by many goroutines.
type IAMToken struct {
	Verifier Verifier
	Accounts Accounts
	Now      func() time.Time
}

// Prove checks an IAM token. What is made for the identity inherits what the
// token depends on and ends no later than it. A service account or a person that
// is suspended or deleted, or has expired, is refused even with a good token. It
// fails with UNAUTHENTICATED, with UNAVAILABLE while the verifier knows too
// little, or as the reads fail.
func (p *IAMToken) Prove(ctx context.Context, text string) (*Identity, error) {
	position := p.Accounts.Position() // before the look: what changes after it ends what is made of this
	claims, err := p.Verifier.Verify(text)
	if err != nil {
		return nil, refuseToken(text, err)
	}
	id := &Identity{
		Subject:        iam.Subject{ID: iam.SubjectID(claims.SubjectID), Type: iam.SubjectType(claims.SubjectType)},
		OrganizationID: claims.OrganizationID, FolderID: claims.FolderID,
		How: HowIAMToken, CredentialID: claims.ID, TokenID: claims.ID, SigningKeyID: claims.KeyID,
		Position: position, NotAfter: claims.ExpiresAt, DependsOn: slices.Clip(claims.DependsOn),
	}
	switch id.Subject.Type {
	case iam.TypeServiceAccount:
		return p.proveAccount(ctx, id)
	case iam.TypeUserAccount:
		if err := activePerson(ctx, p.Accounts, claims.SubjectID); err != nil {
			return nil, err
		}
	}
	return id, nil
}

func (p *IAMToken) proveAccount(ctx context.Context, id *Identity) (*Identity, error) {
	account, err := activeAccount(ctx, p.Accounts, string(id.Subject.ID), p.Now())
	if err != nil {
		return nil, err
	}
	if !account.ExpiresAt.IsZero() && account.ExpiresAt.Before(id.NotAfter) {
		id.NotAfter = account.ExpiresAt
	}
	ancestors, err := p.Accounts.Ancestors(ctx, account.ID)
	if err != nil {
		return nil, goneOr(err, errDeleted(account.ID))
	}
	for _, a := range ancestors {
		if a.Kind == resource.Cloud {
			id.CloudID = a.ID
		}
	}
	return id, nil
}

// Texts known from the API [API fact: texts seen].
var (
	errTokenInvalid = refuse("token_invalid", "The token is invalid")
	errTokenExpired = refuse("token_expired", "The token has expired")
	errTokenRevoked = refuse("token_revoked", "The token has been revoked")
	errTokenFuture  = refuse("token_not_yet_valid", "The token is not valid yet")
)

func errStale(err error) error {
	e := iam.Wrap(err, iam.Unavailable, "Tokens cannot be checked yet")
	e.RetryAfter = time.Second
	return e
}

func refuseToken(text string, err error) error {
	switch {
	case errors.Is(err, token.ErrExpired):
		return errTokenExpired
	case errors.Is(err, token.ErrRevoked):
		return errTokenRevoked
	case errors.Is(err, token.ErrNotYetValid):
		return errTokenFuture
	case errors.Is(err, token.ErrStale):
		return errStale(err)
	case errors.Is(err, token.ErrMalformed):
		if given := kindOf(text); given != "" && given != kindIAMToken {
			return refuse("credential_kind", "The IAM token is %s: a token that begins with t1. is expected", given)
		}
	}
	return errTokenInvalid
}
