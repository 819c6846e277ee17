package store

import (
	"fmt"

	"github.com/propusk/propusk/internal/seal"
)

// SealedTable is a table with a column of sealed secrets.
type SealedTable string

// The tables with sealed secrets.
const (
	SealedSigningKeys SealedTable = "signing_keys"
	SealedAccessKeys  SealedTable = "access_keys"
	SealedTOTPSecrets SealedTable = "totp_secrets"
	SealedMail        SealedTable = "outgoing_mail"
)

// SealedTables are all of them, in the order in which they move under another
// master key: the feed tells of the first, so every node meets the new master
// key there before it is needed for the others.
var SealedTables = [...]SealedTable{SealedSigningKeys, SealedAccessKeys, SealedTOTPSecrets, SealedMail}

// SealedRow is a sealed secret and the place it is sealed for.
type SealedRow struct {
	ID     string
	Place  seal.Place
	Sealed []byte
}

// SigningKeyPlace is where the private half of a signing key is sealed for, so
// that no row can be turned into another.
func SigningKeyPlace(purpose SigningPurpose, id string) seal.Place {
	return seal.Place{Table: "signing_keys", Column: "sealed", ID: string(purpose) + "/" + id}
}

// ListSealed returns the sealed secrets of a table after an id, in the order of
// their ids, at most limit of them, whatever state their rows are in.
func ListSealed(tx *Tx, table SealedTable, after string, limit int) ([]SealedRow, error) {
	scan, query := scanSealedAccess, `SELECT id, sealed FROM access_keys`
	switch table {
	case SealedAccessKeys:
	case SealedSigningKeys:
		scan, query = scanSealedSigning, `SELECT id, sealed, purpose FROM signing_keys`
	case SealedTOTPSecrets:
		scan, query = scanSealedTOTP, `SELECT id, sealed FROM totp_secrets`
	case SealedMail:
		scan, query = scanSealedMail, `SELECT id, sealed FROM outgoing_mail`
	default:
		return nil, fmt.Errorf("store: table %q has no sealed secrets", table)
	}
	return collect(tx, scan, query+` WHERE sealed IS NOT NULL AND id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// Reseal writes the same secret sealed anew, if the row still holds the text
// that was read; false when it has changed or gone since, which is left alone.
// The feed tells of signing keys alone: what is remembered of an access key's
// secret stays right.
func Reseal(tx *Tx, table SealedTable, row SealedRow, sealed []byte) (bool, error) {
	var n int64
	var err error
	switch table {
	case SealedAccessKeys:
		n, err = tx.exec(`UPDATE access_keys SET sealed = $1 WHERE id = $2 AND sealed = $3`, sealed, row.ID, row.Sealed)
	case SealedSigningKeys:
		n, err = tx.exec(`UPDATE signing_keys SET sealed = $1 WHERE id = $2 AND sealed = $3`, sealed, row.ID, row.Sealed)
		if n > 0 {
			tx.record(ChangeSigningKeys, "")
		}
	case SealedTOTPSecrets:
		n, err = tx.exec(`UPDATE totp_secrets SET sealed = $1 WHERE id = $2 AND sealed = $3`, sealed, row.ID, row.Sealed)
	case SealedMail:
		n, err = tx.exec(`UPDATE outgoing_mail SET sealed = $1 WHERE id = $2 AND sealed = $3`, sealed, row.ID, row.Sealed)
	default:
		err = fmt.Errorf("store: table %q has no sealed secrets", table)
	}
	return n > 0, err
}

func scanSealedAccess(r Rows) (SealedRow, error) {
	var row SealedRow
	err := r.Scan(&row.ID, asBytes(&row.Sealed))
	row.Place = AccessKeyPlace(row.ID)
	return row, err
}

func scanSealedTOTP(r Rows) (SealedRow, error) {
	var row SealedRow
	err := r.Scan(&row.ID, asBytes(&row.Sealed))
	row.Place = TOTPPlace(row.ID)
	return row, err
}

func scanSealedMail(r Rows) (SealedRow, error) {
	var row SealedRow
	err := r.Scan(&row.ID, asBytes(&row.Sealed))
	row.Place = MailPlace(row.ID)
	return row, err
}

func scanSealedSigning(r Rows) (SealedRow, error) {
	var row SealedRow
	var purpose string
	err := r.Scan(&row.ID, asBytes(&row.Sealed), &purpose)
	row.Place = SigningKeyPlace(SigningPurpose(purpose), row.ID)
	return row, err
}
