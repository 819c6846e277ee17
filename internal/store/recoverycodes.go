package store

// SetRecoveryCodes gives a person recovery codes, by their hashes, in place of
// those he has.
func SetRecoveryCodes(tx *Tx, userID string, hashes []string) error {
	if _, err := GetUserAccount(tx, userID); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM recovery_codes WHERE subject_id = $1`, userID); err != nil {
		return err
	}
	for _, h := range hashes {
		if _, err := tx.exec(`INSERT INTO recovery_codes (subject_id, hash) VALUES ($1, $2)`, userID, h); err != nil {
			return err
		}
	}
	return nil
}

// UseRecoveryCode takes a recovery code away; false when there is none such.
func UseRecoveryCode(tx *Tx, userID, hash string) (bool, error) {
	n, err := tx.exec(`DELETE FROM recovery_codes WHERE subject_id = $1 AND hash = $2`, userID, hash)
	return n == 1, err
}

// CountRecoveryCodes counts the recovery codes that a person has left.
func CountRecoveryCodes(tx *Tx, userID string) (int, error) {
	var n int64
	_, err := tx.one(`SELECT COUNT(*) FROM recovery_codes WHERE subject_id = $1`, []any{userID}, &n)
	return int(n), err
}
