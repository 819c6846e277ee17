package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
)

// TOTPPlace is where the secret of a person's authenticator app is sealed for.
func TOTPPlace(userID string) seal.Place {
	return seal.Place{Table: "totp_secrets", Column: "sealed", ID: userID}
}

// BeginTOTP keeps the secret of an authenticator app that is not confirmed yet,
// in place of another such. FAILED_PRECONDITION when the person has a confirmed one.
func BeginTOTP(tx *Tx, s *iam.TOTPSecret) error {
	if _, err := GetUserAccount(tx, s.UserID); err != nil {
		return err
	}
	n, err := tx.exec(`INSERT INTO totp_secrets (id, sealed, created_at, last_step) VALUES ($1, $2, $3, 0)
		ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at, last_step = 0
		WHERE totp_secrets.confirmed_at IS NULL`, s.UserID, s.Sealed, micros(s.CreatedAt))
	if err == nil && n == 0 {
		return iam.Errorf(iam.FailedPrecondition, "The account has an authenticator app already: remove it first")
	}
	return err
}

// GetTOTP returns a person's authenticator app, confirmed or not.
func GetTOTP(tx *Tx, userID string) (*iam.TOTPSecret, error) {
	return first(tx, "Authenticator app of", userID, scanTOTP,
		`SELECT id, sealed, created_at, confirmed_at, last_step FROM totp_secrets WHERE id = $1`, userID)
}

// UseTOTPStep notes that the code of a step was used; false when it, or a later
// one, was used before.
func UseTOTPStep(tx *Tx, userID string, step int64) (bool, error) {
	n, err := tx.exec(`UPDATE totp_secrets SET last_step = $1 WHERE id = $2 AND last_step < $1`, step, userID)
	return n == 1, err
}

// ConfirmTOTP makes an authenticator app a factor; false when it was one, or is gone.
func ConfirmTOTP(tx *Tx, userID string, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE totp_secrets SET confirmed_at = $1 WHERE id = $2 AND confirmed_at IS NULL`, micros(at), userID)
	return n == 1, err
}

// DeleteTOTP takes a person's authenticator app away, with the recovery codes
// unless a passkey is left that they stand in for; false when there was none.
func DeleteTOTP(tx *Tx, userID string) (bool, error) {
	if _, err := GetUserAccount(tx, userID); err != nil { // held: with his last passkey going at once, neither would drop the codes
		return false, err
	}
	n, err := tx.exec(`DELETE FROM totp_secrets WHERE id = $1`, userID)
	if err != nil {
		return false, err
	}
	return n == 1, DropIdleRecoveryCodes(tx, userID)
}

// DeleteBegunTOTP forgets authenticator apps that were begun by a time and are
// not confirmed.
func DeleteBegunTOTP(tx *Tx, by time.Time) (int64, error) {
	return tx.exec(`DELETE FROM totp_secrets WHERE confirmed_at IS NULL AND created_at <= $1`, micros(by))
}

func scanTOTP(r Rows) (*iam.TOTPSecret, error) {
	var s iam.TOTPSecret
	err := r.Scan(&s.UserID, asBytes(&s.Sealed), asTime(&s.CreatedAt), asTime(&s.ConfirmedAt), &s.LastStep)
	return &s, err
}
