package cloudapi

import (
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// EndGrant ends one time that a program was let act for a person, with its codes
// and refresh tokens and everything that was made of them.
func EndGrant(tx *store.Tx, id string) error {
	if err := store.EndOAuthGrant(tx, id); err != nil {
		return err
	}
	return revocation.Revoke(tx, token.KindCredential, id)
}
