package cloudapi

import (
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// EndGrants ends every way in which programs act for a person, or one program
// when clientID is not "", with all that was made of them, and tells how many
// there were. What he has allowed stays remembered.
func EndGrants(tx *store.Tx, userID, clientID string) (int, error) {
	ended, err := store.EndOAuthGrantsOf(tx, userID, clientID)
	if err != nil {
		return 0, err
	}
	return len(ended), RevokeGrants(tx, ended)
}

// RevokeGrants ends what was made of grants whose rows are gone.
func RevokeGrants(tx *store.Tx, ids []string) error {
	for _, id := range ids {
		if err := revocation.Revoke(tx, token.KindCredential, id); err != nil {
			return err
		}
	}
	return nil
}
