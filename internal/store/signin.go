package store

// removeSignIn takes away everything that a person signs in with, and his
// sessions, before he is deleted. His tokens end by a revocation of himself.
func removeSignIn(tx *Tx, userID string) error {
	if _, err := EndOAuthGrantsOf(tx, userID, ""); err != nil {
		return err
	}
	for _, of := range []string{
		`DELETE FROM refresh_tokens WHERE subject_id = $1`,
		`DELETE FROM passwords WHERE subject_id = $1`, `DELETE FROM recovery_codes WHERE subject_id = $1`,
		`DELETE FROM totp_secrets WHERE id = $1`, `DELETE FROM sessions WHERE subject_id = $1`,
		`DELETE FROM sign_in_tickets WHERE subject_id = $1`, `DELETE FROM oauth_consents WHERE subject_id = $1`,
		`DELETE FROM device_codes WHERE subject_id = $1`,
		`DELETE FROM passkeys WHERE subject_id = $1`, `DELETE FROM sign_in_challenges WHERE subject_id = $1`,
		`DELETE FROM external_identities WHERE subject_id = $1`,
		// Links that the account kept from being used would bring him back.
		`DELETE FROM account_invitations WHERE email IN (SELECT email FROM user_accounts WHERE id = $1)`,
	} {
		if _, err := tx.exec(of, userID); err != nil {
			return err
		}
	}
	return nil
}
