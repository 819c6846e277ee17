package store

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
)

const accessKeyColumns = `id, service_account_id, key_id, description, COALESCE(lookup, ''), created_at, last_used_at`

// AccessKeyPlace is where the secret of an access key is sealed for.
func AccessKeyPlace(id string) seal.Place {
	return seal.Place{Table: "access_keys", Column: "sealed", ID: id}
}

// InsertAccessKey adds a static access key to an account, with its secret
// sealed for AccessKeyPlace.
func InsertAccessKey(tx *Tx, k *iam.AccessKey, sealed []byte) error {
	if _, err := GetServiceAccount(tx, k.ServiceAccountID); err != nil {
		return err
	}
	if len(sealed) == 0 {
		return iam.Errorf(iam.Internal, "Access key %s has no secret", k.ID)
	}
	_, err := tx.exec(`INSERT INTO access_keys (id, service_account_id, key_id, description, lookup, created_at, last_used_at, sealed)
		VALUES ($1, $2, $3, $4, NULLIF($5, ''), $6, $7, $8)`,
		k.ID, k.ServiceAccountID, k.KeyID, k.Description, k.Lookup, micros(k.CreatedAt), micros(k.LastUsedAt), sealed)
	tx.record(ChangeAccessKey, AccessKeyChange(k.ID, k.KeyID))
	return tx.unlessTaken(err, "Access key %s already exists", k.ID)
}

// GetAccessKey returns a static access key by id.
func GetAccessKey(tx *Tx, id string) (*iam.AccessKey, error) {
	return first(tx, "Access key", id, scanAccessKey, `SELECT `+accessKeyColumns+` FROM access_keys WHERE id = $1`, id)
}

// SealedAccessKey is a static access key with its secret as InsertAccessKey was
// given it.
type SealedAccessKey struct {
	iam.AccessKey
	Sealed []byte
}

// FindAccessKey returns the static access key that signed requests name so.
func FindAccessKey(tx *Tx, keyID string) (*SealedAccessKey, error) {
	return first(tx, "Access key", keyID, scanSealedAccessKey, `SELECT `+accessKeyColumns+`, sealed FROM access_keys WHERE key_id = $1`, keyID)
}

// FindAccessKeyByLookup returns the static access key whose secret has this
// look-up; see iam.AccessKey. The miss does not repeat it.
func FindAccessKeyByLookup(tx *Tx, lookup string) (*SealedAccessKey, error) {
	return first(tx, "Access key", "of this secret", scanSealedAccessKey, `SELECT `+accessKeyColumns+`, sealed FROM access_keys WHERE lookup = $1`, lookup)
}

// ListAccessKeysWithoutLookup returns static access keys from before there were
// look-ups, in the order of their ids: up to limit of those after an id.
func ListAccessKeysWithoutLookup(tx *Tx, after string, limit int) ([]*SealedAccessKey, error) {
	return collect(tx, scanSealedAccessKey, `SELECT `+accessKeyColumns+`, sealed FROM access_keys
		WHERE lookup IS NULL AND id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// SetAccessKeyLookup gives a static access key its look-up unless it has one or
// is gone, and tells whether it did. What nodes remember of a key does not
// depend on it, so the feed does not tell of it.
func SetAccessKeyLookup(tx *Tx, id, lookup string) (bool, error) {
	n, err := tx.exec(`UPDATE access_keys SET lookup = $1 WHERE id = $2 AND lookup IS NULL`, lookup, id)
	return n == 1, tx.unlessTaken(err, "Access key %s has the secret of another", id)
}

// UpdateAccessKeyDescription writes the description: nothing else of a key changes.
func UpdateAccessKeyDescription(tx *Tx, id, description string) error {
	changed, err := collect(tx, scanAccessKeyChange, `UPDATE access_keys SET description = $1 WHERE id = $2 RETURNING id, key_id`, description, id)
	tx.recordAll(ChangeAccessKey, changed)
	return mustChange(int64(len(changed)), err, "Access key", id)
}

// DeleteAccessKey deletes a static access key.
func DeleteAccessKey(tx *Tx, id string) error {
	n, err := removeAccessKeys(tx, `id = $1`, id)
	return mustChange(n, err, "Access key", id)
}

// ListAccessKeys returns a page of an account's static access keys; Page.Name
// is not looked at.
func ListAccessKeys(tx *Tx, serviceAccountID string, p Page) ([]*iam.AccessKey, error) {
	return listByID(tx, p, scanAccessKey, `SELECT `+accessKeyColumns+` FROM access_keys WHERE service_account_id = $1`, serviceAccountID)
}

// TouchAccessKeys is TouchKeys for static access keys.
func TouchAccessKeys(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "access_keys", "last_used_at", last)
}

// CountAccessKeys counts the static access keys of a cloud's accounts, up to most.
func CountAccessKeys(tx *Tx, cloudID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM service_accounts a JOIN access_keys k ON k.service_account_id = a.id
		WHERE a.cloud_id = $1`, cloudID)
}

// removeAccessKeys deletes the static access keys that a condition is true of.
func removeAccessKeys(tx *Tx, where string, args ...any) (int64, error) {
	gone, err := collect(tx, scanAccessKeyChange, `DELETE FROM access_keys WHERE `+where+` RETURNING id, key_id`, args...)
	tx.recordAll(ChangeAccessKey, gone)
	return int64(len(gone)), err
}

// AccessKeyChange is the key of ChangeAccessKey. Neither id holds a slash.
func AccessKeyChange(id, keyID string) string { return id + "/" + keyID }

// OfAccessKeyChange takes the key of ChangeAccessKey apart.
func OfAccessKeyChange(key string) (id, keyID string) {
	id, keyID, _ = strings.Cut(key, "/")
	return id, keyID
}

func scanAccessKeyChange(r Rows) (string, error) {
	var id, keyID string
	err := r.Scan(&id, &keyID)
	return AccessKeyChange(id, keyID), err
}

func scanAccessKey(r Rows) (*iam.AccessKey, error) {
	var k iam.AccessKey
	err := r.Scan(&k.ID, &k.ServiceAccountID, &k.KeyID, &k.Description, &k.Lookup, asTime(&k.CreatedAt), asTime(&k.LastUsedAt))
	return &k, err
}

func scanSealedAccessKey(r Rows) (*SealedAccessKey, error) {
	var k SealedAccessKey
	err := r.Scan(&k.ID, &k.ServiceAccountID, &k.KeyID, &k.Description, &k.Lookup, asTime(&k.CreatedAt), asTime(&k.LastUsedAt), asBytes(&k.Sealed))
	return &k, err
}
