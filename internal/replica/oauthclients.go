package replica

import (
	"context"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// OAuthClient returns an OAuth client; iam.NotFound when there is none.
func (r *Replica) OAuthClient(ctx context.Context, id string) (*iam.OAuthClient, error) {
	return remembered[*iam.OAuthClient](ctx, r, ofOAuthClient, id, loadOAuthClient)
}

// OAuthClientSecret returns a secret of an OAuth client by id; iam.NotFound when
// there is none. LastUsedAt may be old.
func (r *Replica) OAuthClientSecret(ctx context.Context, id string) (*iam.OAuthClientSecret, error) {
	return remembered[*iam.OAuthClientSecret](ctx, r, ofClientSecret, id, loadClientSecret)
}

// FindOAuthClientSecret returns the secret that a look-up leads to (see
// iam.OAuthClientSecret); iam.NotFound when there is none. LastUsedAt may be old.
func (r *Replica) FindOAuthClientSecret(ctx context.Context, lookup string) (*iam.OAuthClientSecret, error) {
	return remembered[*iam.OAuthClientSecret](ctx, r, ofClientSecretLookup, lookup, loadFoundClientSecret)
}

var (
	loadClientSecret      = one(measuredClientSecret(store.GetOAuthClientSecret))
	loadFoundClientSecret = one(measuredClientSecret(store.FindOAuthClientSecret))

	loadOAuthClient = one(func(tx *store.Tx, id string) (any, int, error) {
		c, err := store.GetOAuthClient(tx, id)
		if err != nil {
			return nil, 0, err
		}
		bytes := int(unsafe.Sizeof(*c)) + len(c.ID) + len(c.FolderID) + len(c.Name) + len(c.ProfileID)
		for _, list := range [...][]string{c.RedirectURIs, c.PostLogoutRedirectURIs, c.Scopes, c.AuthenticationMethods} {
			for _, text := range list {
				bytes += int(unsafe.Sizeof(text)) + len(text)
			}
		}
		return c, bytes, nil
	})
)

func measuredClientSecret(read func(*store.Tx, string) (*iam.OAuthClientSecret, error)) func(*store.Tx, string) (any, int, error) {
	return func(tx *store.Tx, id string) (any, int, error) {
		s, err := read(tx, id)
		if err != nil {
			return nil, 0, err
		}
		return s, int(unsafe.Sizeof(*s)) + len(s.ID) + len(s.OAuthClientID) + len(s.Description) + len(s.MaskedSecret) + len(s.Lookup) + len(s.Hash), nil
	}
}
