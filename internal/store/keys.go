package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const keyColumns = `id, service_account_id, description, algorithm, public_key, created_at, last_used_at`

// InsertKey adds an authorized key to an account.
func InsertKey(tx *Tx, k *iam.Key) error {
	if _, err := GetServiceAccount(tx, k.ServiceAccountID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO authorized_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.ID, k.ServiceAccountID, k.Description, string(k.Algorithm), k.PublicKey, micros(k.CreatedAt), micros(k.LastUsedAt))
	tx.record(ChangeKey, k.ID)
	return tx.unlessTaken(err, "Key %s already exists", k.ID)
}

// GetKey returns a key by id.
func GetKey(tx *Tx, id string) (*iam.Key, error) {
	return first(tx, "Key", id, scanKey, `SELECT `+keyColumns+` FROM authorized_keys WHERE id = $1`, id)
}

// UpdateKeyDescription writes the description: a key has nothing else to change.
func UpdateKeyDescription(tx *Tx, id, description string) error {
	n, err := tx.exec(`UPDATE authorized_keys SET description = $1 WHERE id = $2`, description, id)
	tx.record(ChangeKey, id)
	return mustChange(n, err, "Key", id)
}

// DeleteKey deletes a key.
func DeleteKey(tx *Tx, id string) error {
	n, err := tx.exec(`DELETE FROM authorized_keys WHERE id = $1`, id)
	tx.record(ChangeKey, id)
	return mustChange(n, err, "Key", id)
}

// ListKeys returns a page of an account's keys; Page.Name is not looked at.
func ListKeys(tx *Tx, serviceAccountID string, p Page) ([]*iam.Key, error) {
	return listByID(tx, p, scanKey, `SELECT `+keyColumns+` FROM authorized_keys WHERE service_account_id = $1`, serviceAccountID)
}

// TouchKeys notes when keys were last used. Times only go forward, unknown ids
// are passed over, and the feed does not tell of it.
func TouchKeys(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "authorized_keys", "last_used_at", last)
}

func scanKey(r Rows) (*iam.Key, error) {
	var k iam.Key
	var algorithm string
	err := r.Scan(&k.ID, &k.ServiceAccountID, &k.Description, &algorithm, &k.PublicKey, asTime(&k.CreatedAt), asTime(&k.LastUsedAt))
	k.Algorithm = iam.KeyAlgorithm(algorithm)
	return &k, err
}
