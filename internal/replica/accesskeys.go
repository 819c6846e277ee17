package replica

import (
	"context"
	"errors"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// AccessKey is a static access key ready to verify with. LastUsedAt may be old.
type AccessKey struct {
	iam.AccessKey
	Secret iam.Secret
}

// AccessKey returns a static access key by id, without its secret;
// iam.NotFound when there is none. LastUsedAt may be old.
func (r *Replica) AccessKey(ctx context.Context, id string) (*iam.AccessKey, error) {
	return remembered[*iam.AccessKey](ctx, r, ofAccessKey, id, loadAccessKey)
}

// FindAccessKey returns the static access key that signed requests name so;
// iam.NotFound when there is none, UNAVAILABLE while the master key of its
// secret is not held, INTERNAL when the secret does not open.
func (r *Replica) FindAccessKey(ctx context.Context, keyID string) (*AccessKey, error) {
	return remembered[*AccessKey](ctx, r, ofAccessKeyID, keyID, r.openAccessKey)
}

var loadAccessKey = one(func(tx *store.Tx, id string) (any, int, error) {
	k, err := store.GetAccessKey(tx, id)
	if err != nil {
		return nil, 0, err
	}
	return k, int(unsafe.Sizeof(*k)) + accessKeyText(k), nil
})

// openAccessKeys makes the loader that opens the secrets of access keys.
func openAccessKeys(open Opener) loader {
	return one(func(tx *store.Tx, keyID string) (any, int, error) {
		k, err := store.FindAccessKey(tx, keyID)
		if err != nil {
			return nil, 0, err
		}
		if open == nil {
			return nil, 0, iam.Errorf(iam.Internal, "Access key %s: nothing opens its secret here", k.ID)
		}
		secret, err := open(store.AccessKeyPlace(k.ID), k.Sealed)
		if errors.Is(err, seal.ErrUnknownKey) {
			// It may be on its way to this node: whoever asks comes again.
			return nil, 0, iam.Wrap(err, iam.Unavailable, "The secret of access key %s is sealed under a master key that this server has yet to get", k.ID)
		}
		if err != nil {
			return nil, 0, iam.Wrap(err, iam.Internal, "The secret of access key %s cannot be read", k.ID)
		}
		defer clear(secret)
		out := &AccessKey{AccessKey: k.AccessKey, Secret: iam.NewSecret(string(secret))}
		return out, int(unsafe.Sizeof(*out)) + accessKeyText(&k.AccessKey) + len(secret), nil
	})
}

func accessKeyText(k *iam.AccessKey) int {
	return len(k.ID) + len(k.ServiceAccountID) + len(k.KeyID) + len(k.Description) + len(k.Lookup)
}
