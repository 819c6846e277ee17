package source

import (
	"context"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

// Impersonated makes tokens of another service account, for which the owner of
// the origin's tokens may act.
type Impersonated struct {
	Origin  Origin
	Account string
	// As makes the token; iamclient.Client.ForServiceAccount.
	As func(ctx context.Context, bearer iam.Secret, id string) (iamclient.Token, error)
}

// Make makes a new token of the origin first: what is made of it lives no longer.
func (i *Impersonated) Make(ctx context.Context) (iamclient.Token, error) {
	own, err := i.Origin.Make(ctx)
	if err != nil {
		return iamclient.Token{}, err
	}
	return i.As(ctx, own.Text, i.Account)
}

// ServiceAccountID is the account that is acted for.
func (i *Impersonated) ServiceAccountID() string { return i.Account }

// Version is the origin's.
func (i *Impersonated) Version() string {
	if v, ok := i.Origin.(versioned); ok {
		return v.Version()
	}
	return ""
}

// Broken is what is broken of the origin.
func (i *Impersonated) Broken() error {
	if f, ok := i.Origin.(fragile); ok {
		return f.Broken()
	}
	return nil
}
