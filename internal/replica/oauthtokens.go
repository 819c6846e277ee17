package replica

import (
	"context"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// FindOAuthToken returns the OAuth token that a look-up leads to (see
// iam.OAuthToken); iam.NotFound when there is none. LastUsedAt may be old.
func (r *Replica) FindOAuthToken(ctx context.Context, lookup string) (*iam.OAuthToken, error) {
	return remembered[*iam.OAuthToken](ctx, r, ofOAuthTokenLookup, lookup, loadOAuthToken)
}

var loadOAuthToken = one(func(tx *store.Tx, lookup string) (any, int, error) {
	t, err := store.FindOAuthToken(tx, lookup)
	if err != nil {
		return nil, 0, err
	}
	return t, int(unsafe.Sizeof(*t)) + len(t.ID) + len(t.UserID) + len(t.ClientID) + len(t.Description) +
		len(t.Masked) + len(t.Lookup) + len(t.Hash), nil
})
