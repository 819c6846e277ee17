package store

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const passkeyColumns = `id, subject_id, credential_id, name, algorithm, public_key, sign_count, transports, backed_up, created_at, last_used_at`

// InsertPasskey adds a passkey of a person; ALREADY_EXISTS when anybody has one
// of its credential id.
func InsertPasskey(tx *Tx, p *iam.Passkey) error {
	if _, err := GetUserAccount(tx, p.UserID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO passkeys (`+passkeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.ID, p.UserID, credentialID(p.CredentialID), p.Name, p.Algorithm, p.PublicKey, p.SignCount, strings.Join(p.Transports, " "),
		flag(p.BackedUp), micros(p.CreatedAt), micros(p.LastUsedAt))
	return tx.unlessTaken(err, "Passkey already exists")
}

// FindPasskey returns the passkey of a credential id, whosever it is. The miss
// does not repeat the id.
func FindPasskey(tx *Tx, id []byte) (*iam.Passkey, error) {
	return first(tx, "Passkey", "of this credential", scanPasskey, `SELECT `+passkeyColumns+` FROM passkeys WHERE credential_id = $1`, credentialID(id))
}

// GetPasskey returns a passkey of a person; another's is as unknown as none.
func GetPasskey(tx *Tx, userID, id string) (*iam.Passkey, error) {
	return first(tx, "Passkey", id, scanPasskey, `SELECT `+passkeyColumns+` FROM passkeys WHERE id = $1 AND subject_id = $2`, id, userID)
}

// ListPasskeys returns a page of a person's passkeys; Page.Name is not looked at.
func ListPasskeys(tx *Tx, userID string, p Page) ([]*iam.Passkey, error) {
	return listByID(tx, p, scanPasskey, `SELECT `+passkeyColumns+` FROM passkeys WHERE subject_id = $1`, userID)
}

// CountPasskeys counts a person's passkeys.
func CountPasskeys(tx *Tx, userID string) (int, error) {
	var n int64
	_, err := tx.one(`SELECT COUNT(*) FROM passkeys WHERE subject_id = $1`, []any{userID}, &n)
	return int(n), err
}

// RenamePasskey gives a person's passkey another name.
func RenamePasskey(tx *Tx, userID, id, name string) error {
	n, err := tx.exec(`UPDATE passkeys SET name = $1 WHERE id = $2 AND subject_id = $3`, name, id, userID)
	return mustChange(n, err, "Passkey", id)
}

// UsePasskey notes that a passkey was used with a value of its counter; false when
// it has been used with that value, or a larger one, before: somebody else has the
// key too. Of an authenticator that counts nothing every value is 0.
func UsePasskey(tx *Tx, id string, count int64, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE passkeys SET sign_count = $1, last_used_at = $2
		WHERE id = $3 AND (sign_count < $1 OR sign_count = 0 AND $1 = 0)`, count, micros(at), id)
	return n == 1, err
}

// DeletePasskey takes a passkey of a person away.
func DeletePasskey(tx *Tx, userID, id string) error {
	n, err := tx.exec(`DELETE FROM passkeys WHERE id = $1 AND subject_id = $2`, id, userID)
	return mustChange(n, err, "Passkey", id)
}

// DeletePasskeys takes all passkeys of a person away and returns their ids.
func DeletePasskeys(tx *Tx, userID string) ([]string, error) {
	return collect(tx, scanString, `DELETE FROM passkeys WHERE subject_id = $1 RETURNING id`, userID)
}

// DropIdleRecoveryCodes takes a person's recovery codes away when he has no second
// factor left that they would stand in for.
func DropIdleRecoveryCodes(tx *Tx, userID string) error {
	_, err := tx.exec(`DELETE FROM recovery_codes WHERE subject_id = $1
		AND NOT EXISTS (SELECT 1 FROM passkeys WHERE subject_id = $1)
		AND NOT EXISTS (SELECT 1 FROM totp_secrets WHERE id = $1 AND confirmed_at IS NOT NULL)`, userID)
	return err
}

// credentialID is how an id of bytes is kept, for both engines compare text alike.
func credentialID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func scanPasskey(r Rows) (*iam.Passkey, error) {
	var p iam.Passkey
	var id, transports string
	var backedUp int64
	err := r.Scan(&p.ID, &p.UserID, &id, &p.Name, &p.Algorithm, asBytes(&p.PublicKey), &p.SignCount, &transports, &backedUp,
		asTime(&p.CreatedAt), asTime(&p.LastUsedAt))
	if err == nil {
		p.CredentialID, err = base64.RawURLEncoding.DecodeString(id)
	}
	p.Transports, p.BackedUp = wordsOf(transports), backedUp == 1
	return &p, err
}
