package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// unrecorded is the condition of the index service_accounts_by_expiry, word for
// word: accounts without an end, and those whose end was acted upon, are not
// looked at.
const unrecorded = `expires_at <> COALESCE(expiry_recorded, 0)`

// ListExpiredServiceAccounts returns accounts whose expires_at has come and was
// not acted upon, the earliest first, at most limit of them.
func ListExpiredServiceAccounts(tx *Tx, limit int) ([]*iam.ServiceAccount, error) {
	return collect(tx, scanServiceAccount, `SELECT `+serviceAccountColumns+` FROM service_accounts
		WHERE expires_at <= $1 AND `+unrecorded+` ORDER BY expires_at, id LIMIT $2`, micros(tx.now), limit)
}

// RecordServiceAccountExpiry notes that an account's end has come and is acted
// upon in this transaction; false when that end was recorded already, has been
// moved or has not come, or when the account is gone. The feed does not tell of
// it: the account is what it was.
func RecordServiceAccountExpiry(tx *Tx, id string, end time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE service_accounts SET expiry_recorded = expires_at
		WHERE id = $1 AND expires_at = $2 AND expires_at <= $3 AND `+unrecorded, id, micros(end), micros(tx.now))
	return n > 0, err
}
