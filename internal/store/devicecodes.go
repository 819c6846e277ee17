package store

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const deviceCodeColumns = `lookup, user_code, client_id, client_info, scopes, key_thumbprint, address, wait_seconds,
	created_at, expires_at, polled_at, decided_at, grant_id, subject_id`

// InsertDeviceCode adds a machine that waits for a person. ALREADY_EXISTS when
// another one has its user code.
func InsertDeviceCode(tx *Tx, d *iam.DeviceCode) error {
	_, err := tx.exec(`INSERT INTO device_codes (`+deviceCodeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		d.Lookup, d.UserCode, d.ClientID, d.ClientInfo, strings.Join(d.Scopes, " "), d.KeyThumbprint, d.Address, int64(d.Wait/time.Second),
		micros(d.CreatedAt), micros(d.ExpiresAt), micros(d.PolledAt), micros(d.DecidedAt), d.GrantID, d.UserID)
	return tx.unlessTaken(err, "Device code already exists")
}

// GetDeviceCode returns a device code, whatever has become of it. In an Update it
// is held: nobody asks for it or answers it meanwhile. The miss does not repeat
// the look-up.
func GetDeviceCode(tx *Tx, lookup string) (*iam.DeviceCode, error) {
	query := `SELECT ` + deviceCodeColumns + ` FROM device_codes WHERE lookup = $1`
	if tx.writes {
		query += tx.db.engine.RowLock()
	}
	return first(tx, "Device code", "of this text", scanDeviceCode, query, lookup)
}

// NoteDevicePoll writes when a machine has asked, how long it is to wait before it
// asks again, and by which key it has.
func NoteDevicePoll(tx *Tx, d *iam.DeviceCode) error {
	n, err := tx.exec(`UPDATE device_codes SET polled_at = $2, wait_seconds = $3, key_thumbprint = $4 WHERE lookup = $1`,
		d.Lookup, micros(d.PolledAt), int64(d.Wait/time.Second), d.KeyThumbprint)
	return mustChange(n, err, "Device code", "of this text")
}

// FindWaitingDevice returns the machine that a user code stands for while nobody
// has answered it and it has not expired.
func FindWaitingDevice(tx *Tx, userCode string) (*iam.DeviceCode, error) {
	return first(tx, "Device code", "of this text", scanDeviceCode, `SELECT `+deviceCodeColumns+` FROM device_codes
		WHERE user_code = $1 AND decided_at IS NULL AND expires_at > $2`, userCode, micros(tx.now))
}

// DecideDeviceCode writes a person's answer to a machine that FindWaitingDevice
// would find; grantID is "" for a no. NOT_FOUND when somebody was quicker.
func DecideDeviceCode(tx *Tx, lookup, userID, grantID string) error {
	n, err := tx.exec(`UPDATE device_codes SET decided_at = $2, subject_id = $3, grant_id = $4
		WHERE lookup = $1 AND decided_at IS NULL AND expires_at > $2`, lookup, micros(tx.now), userID, grantID)
	return mustChange(n, err, "Device code", "of this text")
}

// UseDeviceCode uses up a device code that a person has said yes to; NOT_FOUND
// when somebody was quicker.
func UseDeviceCode(tx *Tx, lookup string) error {
	n, err := tx.exec(`DELETE FROM device_codes WHERE lookup = $1 AND grant_id <> ''`, lookup)
	return mustChange(n, err, "Device code", "of this text")
}

// DeleteDeviceCodesBefore forgets device codes that ended before a time.
func DeleteDeviceCodesBefore(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM device_codes WHERE expires_at < $1`, micros(before))
}

func scanDeviceCode(r Rows) (*iam.DeviceCode, error) {
	var d iam.DeviceCode
	var scopes string
	var wait int64
	err := r.Scan(&d.Lookup, &d.UserCode, &d.ClientID, &d.ClientInfo, &scopes, &d.KeyThumbprint, &d.Address, &wait,
		asTime(&d.CreatedAt), asTime(&d.ExpiresAt), asTime(&d.PolledAt), asTime(&d.DecidedAt), &d.GrantID, &d.UserID)
	d.Scopes, d.Wait = wordsOf(scopes), time.Duration(wait)*time.Second
	return &d, err
}
