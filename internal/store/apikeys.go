package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const apiKeyColumns = `id, service_account_id, description, scope, scopes, masked_secret, lookup, hash, expires_at, created_at, last_used_at`

// InsertAPIKey adds an API key to an account.
func InsertAPIKey(tx *Tx, k *iam.APIKey) error {
	if _, err := GetServiceAccount(tx, k.ServiceAccountID); err != nil {
		return err
	}
	scopes, err := scopesText(k.Scopes)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO api_keys (`+apiKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		k.ID, k.ServiceAccountID, k.Description, k.Scope, scopes, k.MaskedSecret, k.Lookup, k.Hash,
		micros(k.ExpiresAt), micros(k.CreatedAt), micros(k.LastUsedAt))
	tx.record(ChangeAPIKey, APIKeyChange(k.ID, k.Lookup))
	return tx.unlessTaken(err, "API key %s already exists", k.ID)
}

// GetAPIKey returns an API key by id.
func GetAPIKey(tx *Tx, id string) (*iam.APIKey, error) {
	return first(tx, "API key", id, scanAPIKey, `SELECT `+apiKeyColumns+` FROM api_keys WHERE id = $1`, id)
}

// FindAPIKey returns the API key that a look-up leads to; see iam.APIKey. The
// miss does not repeat the look-up.
func FindAPIKey(tx *Tx, lookup string) (*iam.APIKey, error) {
	return first(tx, "API key", "of this secret", scanAPIKey, `SELECT `+apiKeyColumns+` FROM api_keys WHERE lookup = $1`, lookup)
}

// UpdateAPIKey writes description, scopes and expiry: nothing else of a key changes.
func UpdateAPIKey(tx *Tx, k *iam.APIKey) error {
	scopes, err := scopesText(k.Scopes)
	if err != nil {
		return err
	}
	gone, err := collect(tx, scanAPIKeyChange, `UPDATE api_keys SET description = $1, scope = $2, scopes = $3, expires_at = $4
		WHERE id = $5 RETURNING id, lookup`, k.Description, k.Scope, scopes, micros(k.ExpiresAt), k.ID)
	tx.recordAll(ChangeAPIKey, gone)
	return mustChange(int64(len(gone)), err, "API key", k.ID)
}

// DeleteAPIKey deletes an API key.
func DeleteAPIKey(tx *Tx, id string) error {
	gone, err := removeAPIKeys(tx, `id = $1`, id)
	return mustChange(int64(len(gone)), err, "API key", id)
}

// ListAPIKeys returns a page of an account's API keys; Page.Name is not looked at.
func ListAPIKeys(tx *Tx, serviceAccountID string, p Page) ([]*iam.APIKey, error) {
	return listByID(tx, p, scanAPIKey, `SELECT `+apiKeyColumns+` FROM api_keys WHERE service_account_id = $1`, serviceAccountID)
}

// TouchAPIKeys is TouchKeys for API keys.
func TouchAPIKeys(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "api_keys", "last_used_at", last)
}

// CountAPIKeys counts the API keys of a cloud's accounts, up to most.
func CountAPIKeys(tx *Tx, cloudID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM service_accounts a JOIN api_keys k ON k.service_account_id = a.id
		WHERE a.cloud_id = $1`, cloudID)
}

// removeAPIKeys deletes the API keys that a condition is true of.
func removeAPIKeys(tx *Tx, where string, args ...any) (gone []string, err error) {
	gone, err = collect(tx, scanAPIKeyChange, `DELETE FROM api_keys WHERE `+where+` RETURNING id, lookup`, args...)
	tx.recordAll(ChangeAPIKey, gone)
	return gone, err
}

// APIKeyChange is the key of ChangeAPIKey.
func APIKeyChange(id, lookup string) string { return id + "/" + lookup }

// OfAPIKeyChange takes the key of ChangeAPIKey apart.
func OfAPIKeyChange(key string) (id, lookup string) {
	id, lookup, _ = strings.Cut(key, "/")
	return id, lookup
}

func scanAPIKeyChange(r Rows) (string, error) {
	var id, lookup string
	err := r.Scan(&id, &lookup)
	return APIKeyChange(id, lookup), err
}

func scanAPIKey(r Rows) (*iam.APIKey, error) {
	var k iam.APIKey
	var scopes string
	err := r.Scan(&k.ID, &k.ServiceAccountID, &k.Description, &k.Scope, &scopes, &k.MaskedSecret, &k.Lookup, asBytes(&k.Hash),
		asTime(&k.ExpiresAt), asTime(&k.CreatedAt), asTime(&k.LastUsedAt))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(scopes), &k.Scopes); err != nil {
		return nil, fmt.Errorf("scopes of API key %s: %w", k.ID, err)
	}
	return &k, nil
}

// scopesText refuses a key without scopes: it would be one that nothing narrows.
func scopesText(scopes []string) (string, error) {
	if len(scopes) == 0 {
		return "", iam.InvalidField("scopes", "an API key has at least one scope")
	}
	b, err := json.Marshal(scopes)
	return string(b), err
}
