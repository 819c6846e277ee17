package mint

import (
	"context"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// IDKeyInfo is a key of ID tokens as an operator sees it.
type IDKeyInfo struct {
	ID         string
	SignsFrom  time.Time
	SignsUntil time.Time // zero: open
}

// List is the published keys; it makes none.
func (k *IDKeys) List(ctx context.Context) ([]IDKeyInfo, error) {
	keys, err := k.ring(ctx, false)
	if err != nil {
		return nil, err
	}
	var out []IDKeyInfo
	for _, key := range k.published(keys) {
		out = append(out, IDKeyInfo{ID: key.ID, SignsFrom: key.SignsFrom, SignsUntil: key.SignsUntil})
	}
	return out, nil
}

// published leaves out the keys whose last token has ended everywhere.
func (k *IDKeys) published(keys []*idKey) (out []*idKey) {
	ended := k.config.Now().Add(-IDLife - idSlack)
	for _, key := range keys {
		if key.SignsUntil.IsZero() || key.SignsUntil.After(ended) {
			out = append(out, key)
		}
	}
	return out
}

// Rotate publishes a new key at once. It signs after PublishLead; the old one
// may sign for Overlap more, and stays published until its last token has
// ended. Where no ID token was ever asked for there is nothing to do.
func (k *IDKeys) Rotate(ctx context.Context) error { return k.replace(ctx, 0) }

// RotateDue does so when every key is older than RotateEvery. It is safe on all
// nodes at once.
func (k *IDKeys) RotateDue(ctx context.Context) error { return k.replace(ctx, k.config.RotateEvery) }

func (k *IDKeys) replace(ctx context.Context, age time.Duration) error {
	keys, err := k.ring(ctx, false)
	if err != nil || len(keys) == 0 {
		return err
	}
	for _, key := range keys {
		if k.config.Now().Sub(key.CreatedAt) < age {
			return nil
		}
	}
	fresh, err := k.generate()
	if err != nil {
		return err
	}
	err = k.config.DB.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockSigningKeys(tx); err != nil {
			return err
		}
		if _, err := store.DeleteRetiredSigningKeys(tx, k.config.Purpose, tx.Now().Add(-IDLife-idSlack)); err != nil {
			return err
		}
		return k.succeed(tx, fresh, age)
	})
	if err != nil {
		return fmt.Errorf("rotate the keys of %s: %w", k.signs(), err)
	}
	k.told.Add(1)
	return nil
}

// succeed inserts a successor, unless the newest key is younger than age.
func (k *IDKeys) succeed(tx *store.Tx, fresh store.SigningKey, age time.Duration) error {
	keys, err := store.ListSigningKeys(tx, k.config.Purpose)
	if err != nil {
		return err
	}
	for _, old := range keys {
		if old.DistrustedAt.IsZero() && tx.Now().Sub(old.CreatedAt) < age {
			return nil
		}
	}
	from := tx.Now().Add(k.config.PublishLead)
	for _, old := range keys {
		if old.DistrustedAt.IsZero() && old.SignsUntil.IsZero() {
			if err := store.SetSigningKeyWindow(tx, old.ID, old.SignsFrom, from.Add(k.config.Overlap)); err != nil {
				return err
			}
		}
	}
	if err := insert(tx, fresh, from); err != nil {
		return err
	}
	return k.config.Record(tx, fresh.ID)
}

// Distrust ends a key that has leaked: it leaves the key set, and a successor
// signs from now on. Third parties believe what it signed until they read the
// key set anew. record is called in the same transaction. An id that is no key
// of ID tokens is NOT_FOUND.
func (k *IDKeys) Distrust(ctx context.Context, keyID string, record func(tx *store.Tx) error) error {
	find := func(tx *store.Tx) (*store.SigningKey, error) {
		keys, err := store.ListSigningKeys(tx, k.config.Purpose)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if key.ID == keyID {
				return key, nil
			}
		}
		return nil, iam.Errorf(iam.NotFound, "Signing key %s not found", keyID)
	}
	err := k.config.DB.View(ctx, func(tx *store.Tx) error { _, err := find(tx); return err })
	if err != nil {
		return err
	}
	fresh, err := k.generate()
	if err != nil {
		return err
	}
	err = k.config.DB.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockSigningKeys(tx); err != nil {
			return err
		}
		key, err := find(tx)
		if err != nil || !key.DistrustedAt.IsZero() {
			return err
		}
		if err := store.SetSigningKeyWindow(tx, key.ID, key.SignsFrom, tx.Now()); err != nil {
			return err
		}
		if err := store.DistrustSigningKey(tx, key.ID); err != nil {
			return err
		}
		if err := record(tx); err != nil {
			return err
		}
		return insert(tx, fresh, tx.Now().Add(-headStart))
	})
	if err != nil {
		return err
	}
	k.told.Add(1)
	return nil
}
