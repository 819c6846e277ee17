package server

import (
	"context"
	"errors"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// devSigner is what AWS's clients sign with.
type devSigner struct {
	keyID  string
	secret iam.Secret
}

const devSignerDescription = "made by dev"

// ensureDevSigner finds the static access key that an earlier start made for the
// account, with its secret, or makes one. An account that was deleted gets none.
func (s *Server) ensureDevSigner(ctx context.Context, account string) (devSigner, error) {
	if found, err := s.findDevSigner(ctx, account); found.keyID != "" || err != nil {
		return found, err
	}
	keyID, secret := credential.NewAccessKey()
	k := &iam.AccessKey{ID: resource.NewID(resource.PrefixIAM), ServiceAccountID: account, Description: devSignerDescription,
		KeyID: keyID, Lookup: credential.SecretLookup(secret)}
	sealed, err := s.box.Seal(store.AccessKeyPlace(k.ID), []byte(secret.Reveal()))
	if err != nil {
		return devSigner{}, err
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		k.CreatedAt = tx.Now()
		return store.InsertAccessKey(tx, k, sealed)
	})
	if errors.Is(err, iam.NotFound) {
		return devSigner{}, nil // buildDev says so of its key file
	}
	return devSigner{keyID: keyID, secret: secret}, err
}

func (s *Server) findDevSigner(ctx context.Context, account string) (found devSigner, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		found = devSigner{}
		keys, err := store.ListAccessKeys(tx, account, store.Page{Limit: 1000})
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.Description != devSignerDescription {
				continue
			}
			row, err := store.FindAccessKey(tx, k.KeyID)
			if err != nil {
				return err
			}
			secret, err := s.box.Open(store.AccessKeyPlace(row.ID), row.Sealed)
			if err != nil {
				continue // sealed by another master key: a fresh one will do
			}
			found = devSigner{keyID: k.KeyID, secret: iam.NewSecret(string(secret))}
			return nil
		}
		return nil
	})
	return found, err
}
