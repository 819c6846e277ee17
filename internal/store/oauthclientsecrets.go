package store

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const oauthClientSecretColumns = `id, oauth_client_id, description, masked_secret, lookup, hash, created_at, last_used_at`

// InsertOAuthClientSecret adds a secret to an OAuth client, which is held until
// the end of the transaction.
func InsertOAuthClientSecret(tx *Tx, s *iam.OAuthClientSecret) error {
	if _, err := HoldOAuthClient(tx, s.OAuthClientID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO oauth_client_secrets (`+oauthClientSecretColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.ID, s.OAuthClientID, s.Description, s.MaskedSecret, s.Lookup, s.Hash, micros(s.CreatedAt), micros(s.LastUsedAt))
	tx.record(ChangeClientSecret, OAuthClientSecretChange(s.ID, s.Lookup))
	return tx.unlessTaken(err, "OAuth client secret %s already exists", s.ID)
}

// GetOAuthClientSecret returns a secret of an OAuth client by id.
func GetOAuthClientSecret(tx *Tx, id string) (*iam.OAuthClientSecret, error) {
	return first(tx, "OAuth client secret", id, scanOAuthClientSecret,
		`SELECT `+oauthClientSecretColumns+` FROM oauth_client_secrets WHERE id = $1`, id)
}

// FindOAuthClientSecret returns the secret that a look-up leads to; see
// iam.OAuthClientSecret. The miss does not repeat the look-up.
func FindOAuthClientSecret(tx *Tx, lookup string) (*iam.OAuthClientSecret, error) {
	return first(tx, "OAuth client secret", "of this text", scanOAuthClientSecret,
		`SELECT `+oauthClientSecretColumns+` FROM oauth_client_secrets WHERE lookup = $1`, lookup)
}

// DeleteOAuthClientSecret deletes a secret of an OAuth client.
func DeleteOAuthClientSecret(tx *Tx, id string) error {
	gone, err := removeOAuthClientSecrets(tx, `id = $1`, id)
	return mustChange(int64(len(gone)), err, "OAuth client secret", id)
}

// ListOAuthClientSecrets returns a page of a client's secrets; Page.Name is not looked at.
func ListOAuthClientSecrets(tx *Tx, clientID string, p Page) ([]*iam.OAuthClientSecret, error) {
	return listByID(tx, p, scanOAuthClientSecret,
		`SELECT `+oauthClientSecretColumns+` FROM oauth_client_secrets WHERE oauth_client_id = $1`, clientID)
}

// TouchOAuthClientSecrets is TouchKeys for secrets of OAuth clients.
func TouchOAuthClientSecrets(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "oauth_client_secrets", "last_used_at", last)
}

// removeOAuthClientSecrets deletes the secrets that a condition is true of.
func removeOAuthClientSecrets(tx *Tx, where string, args ...any) (gone []string, err error) {
	gone, err = collect(tx, scanOAuthClientSecretChange, `DELETE FROM oauth_client_secrets WHERE `+where+` RETURNING id, lookup`, args...)
	tx.recordAll(ChangeClientSecret, gone)
	return gone, err
}

// OAuthClientSecretChange is the key of ChangeClientSecret.
func OAuthClientSecretChange(id, lookup string) string { return id + "/" + lookup }

// OfOAuthClientSecretChange takes the key of ChangeClientSecret apart.
func OfOAuthClientSecretChange(key string) (id, lookup string) {
	id, lookup, _ = strings.Cut(key, "/")
	return id, lookup
}

func scanOAuthClientSecretChange(r Rows) (string, error) {
	var id, lookup string
	err := r.Scan(&id, &lookup)
	return OAuthClientSecretChange(id, lookup), err
}

func scanOAuthClientSecret(r Rows) (*iam.OAuthClientSecret, error) {
	var s iam.OAuthClientSecret
	err := r.Scan(&s.ID, &s.OAuthClientID, &s.Description, &s.MaskedSecret, &s.Lookup, asBytes(&s.Hash), asTime(&s.CreatedAt), asTime(&s.LastUsedAt))
	return &s, err
}
