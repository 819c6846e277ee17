// Package source owns where the metadata address gets its credentials: of which
// account, made of what, renewed when, and how long the last ones are served while
// IAM is away. It knows nothing of HTTP requests that come in.
package source

import (
	"context"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

// Account is one account whose credentials are served. It is safe for concurrent
// use, and many may wait for one renewal at once.
type Account interface {
	// ServiceAccountID is the account's id, "" while it is not known.
	ServiceAccountID() string
	// Token is an IAM token with at least the set part of its life left, or what
	// is left of the last one while IAM is away. It fails with ErrNoAccount when
	// there is no such account, or IAM no longer takes the credential; otherwise
	// with UNAVAILABLE.
	Token(ctx context.Context) (iamclient.Token, error)
	// AccessKey is an ephemeral access key, by the same rules.
	AccessKey(ctx context.Context) (iamclient.AccessKey, error)
}

// ErrNoAccount is that there is no account to serve: none is set for who asks, or
// IAM has refused the account's credential (deleted, suspended, revoked). Test
// for it by errors.Is; its kind is NOT_FOUND.
var ErrNoAccount = iam.Errorf(iam.NotFound, "there is no service account here")
