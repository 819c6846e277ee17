package replica

import (
	"context"
	"unique"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// APIKey returns an API key by id; iam.NotFound when there is none. LastUsedAt
// may be old.
func (r *Replica) APIKey(ctx context.Context, id string) (*iam.APIKey, error) {
	return remembered[*iam.APIKey](ctx, r, ofAPIKey, id, loadAPIKey)
}

// FindAPIKey returns the API key that a look-up leads to (see iam.APIKey);
// iam.NotFound when there is none. LastUsedAt may be old.
func (r *Replica) FindAPIKey(ctx context.Context, lookup string) (*iam.APIKey, error) {
	return remembered[*iam.APIKey](ctx, r, ofAPIKeyLookup, lookup, loadFoundAPIKey)
}

var (
	loadAPIKey      = one(measured(store.GetAPIKey))
	loadFoundAPIKey = one(measured(store.FindAPIKey))
)

func measured(read func(*store.Tx, string) (*iam.APIKey, error)) func(*store.Tx, string) (any, int, error) {
	return func(tx *store.Tx, by string) (any, int, error) {
		k, err := read(tx, by)
		if err != nil {
			return nil, 0, err
		}
		n := int(unsafe.Sizeof(*k)) + len(k.ID) + len(k.ServiceAccountID) + len(k.Description) + len(k.Scope) +
			len(k.MaskedSecret) + len(k.Lookup) + len(k.Hash)
		scopes := make([]string, len(k.Scopes))
		for i, s := range k.Scopes {
			scopes[i] = unique.Make(s).Value() // the same few texts in every key
		}
		k.Scopes = scopes
		return k, n + 16*len(scopes), nil
	}
}
