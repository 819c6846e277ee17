package store

import (
	"github.com/propusk/propusk/internal/iam"
)

const externalIdentityColumns = `provider, external_id, subject_id, email, created_at, last_used_at`

// InsertExternalIdentity lets a person sign in by an account at a provider.
// ALREADY_EXISTS when the account is somebody's, or the person has another one at
// that provider.
func InsertExternalIdentity(tx *Tx, x *iam.ExternalIdentity) error {
	if _, err := GetUserAccount(tx, x.UserID); err != nil { // held: of two at once one sees the other's
		return err
	}
	n, err := count(tx, 1, `SELECT 1 FROM external_identities WHERE subject_id = $1 AND provider = $2`, x.UserID, x.Provider)
	if err != nil {
		return err
	}
	if n > 0 {
		return iam.Errorf(iam.AlreadyExists, "Another account of this provider is connected already")
	}
	_, err = tx.exec(`INSERT INTO external_identities (`+externalIdentityColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		x.Provider, x.ExternalID, x.UserID, x.Email, micros(x.CreatedAt), micros(x.LastUsedAt))
	return tx.unlessTaken(err, "The account of this provider is connected already")
}

// FindExternalIdentity returns whose an account at a provider is. The miss does
// not repeat what was looked for.
func FindExternalIdentity(tx *Tx, provider, externalID string) (*iam.ExternalIdentity, error) {
	return first(tx, "External identity", "of this account", scanExternalIdentity,
		`SELECT `+externalIdentityColumns+` FROM external_identities WHERE provider = $1 AND external_id = $2`, provider, externalID)
}

// ListExternalIdentities returns a person's accounts elsewhere by their providers,
// of each of which he has one at most; 100 in all.
func ListExternalIdentities(tx *Tx, userID string) ([]*iam.ExternalIdentity, error) {
	return collect(tx, scanExternalIdentity, `SELECT `+externalIdentityColumns+` FROM external_identities
		WHERE subject_id = $1 ORDER BY provider LIMIT 100`, userID)
}

// UseExternalIdentity notes that a person has signed in by an account elsewhere,
// and the address that it has now.
func UseExternalIdentity(tx *Tx, x *iam.ExternalIdentity) error {
	n, err := tx.exec(`UPDATE external_identities SET email = $1, last_used_at = $2 WHERE provider = $3 AND external_id = $4 AND subject_id = $5`,
		x.Email, micros(tx.now), x.Provider, x.ExternalID, x.UserID)
	return mustChange(n, err, "External identity", "of this account")
}

// DeleteExternalIdentity takes a person's account at a provider away.
func DeleteExternalIdentity(tx *Tx, userID, provider string) error {
	n, err := tx.exec(`DELETE FROM external_identities WHERE subject_id = $1 AND provider = $2`, userID, provider)
	return mustChange(n, err, "Connection", provider)
}

// CountWaysIn counts by how many things a person can begin to sign in: his
// password, each of his passkeys and each account elsewhere whose provider is
// among those given. The person is held.
func CountWaysIn(tx *Tx, userID string, providers []string) (int, error) {
	if _, err := GetUserAccount(tx, userID); err != nil {
		return 0, err
	}
	known := map[string]bool{}
	for _, p := range providers {
		known[p] = true
	}
	elsewhere, err := ListExternalIdentities(tx, userID)
	if err != nil {
		return 0, err
	}
	var n int64
	_, err = tx.one(`SELECT (SELECT COUNT(*) FROM passwords WHERE subject_id = $1) + (SELECT COUNT(*) FROM passkeys WHERE subject_id = $1)`, []any{userID}, &n)
	for _, x := range elsewhere {
		if known[x.Provider] {
			n++
		}
	}
	return int(n), err
}

func scanExternalIdentity(r Rows) (*iam.ExternalIdentity, error) {
	var x iam.ExternalIdentity
	err := r.Scan(&x.Provider, &x.ExternalID, &x.UserID, &x.Email, asTime(&x.CreatedAt), asTime(&x.LastUsedAt))
	return &x, err
}
