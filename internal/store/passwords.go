package store

import "github.com/propusk/propusk/internal/iam"

// SetPassword gives a person a password in place of the one he has.
func SetPassword(tx *Tx, p *iam.Password) error {
	if _, err := GetUserAccount(tx, p.UserID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO passwords (subject_id, phc, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (subject_id) DO UPDATE SET phc = excluded.phc, changed_at = excluded.changed_at`,
		p.UserID, p.PHC, micros(p.ChangedAt))
	return err
}

// GetPassword returns what is kept of a person's password.
func GetPassword(tx *Tx, userID string) (*iam.Password, error) {
	return first(tx, "Password of", userID, scanPassword, `SELECT subject_id, phc, changed_at FROM passwords WHERE subject_id = $1`, userID)
}

// RehashPassword keeps the same password in another form, unless it has been
// changed since it was read; then nothing happens.
func RehashPassword(tx *Tx, userID, old, phc string) error {
	_, err := tx.exec(`UPDATE passwords SET phc = $1 WHERE subject_id = $2 AND phc = $3`, phc, userID, old)
	return err
}

func scanPassword(r Rows) (*iam.Password, error) {
	var p iam.Password
	err := r.Scan(&p.UserID, &p.PHC, asTime(&p.ChangedAt))
	return &p, err
}
