package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const challengeColumns = `lookup, purpose, subject_id, data, expires_at`

// InsertChallenge adds a challenge; ALREADY_EXISTS when there is one of its text.
func InsertChallenge(tx *Tx, c *iam.Challenge) error {
	_, err := tx.exec(`INSERT INTO sign_in_challenges (`+challengeColumns+`) VALUES ($1, $2, $3, $4, $5)`,
		c.Lookup, string(c.Purpose), c.UserID, c.Data, micros(c.ExpiresAt))
	return tx.unlessTaken(err, "Challenge already exists")
}

// SpendChallenge notes that a challenge was answered which nothing was kept of;
// false when it was before.
func SpendChallenge(tx *Tx, c *iam.Challenge) (bool, error) {
	n, err := tx.exec(`INSERT INTO sign_in_challenges (`+challengeColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (lookup) DO NOTHING`,
		c.Lookup, string(c.Purpose), c.UserID, c.Data, micros(c.ExpiresAt))
	return n == 1, err
}

// TakeChallenge uses a challenge up that was made for a purpose and has not
// expired, and returns it. Of two who come with the same, one gets it. The miss
// does not repeat the look-up.
func TakeChallenge(tx *Tx, purpose iam.ChallengePurpose, lookup string) (*iam.Challenge, error) {
	return first(tx, "Challenge", "of this text", scanChallenge, `DELETE FROM sign_in_challenges
		WHERE lookup = $1 AND purpose = $2 AND expires_at > $3 RETURNING `+challengeColumns, lookup, string(purpose), micros(tx.now))
}

// DeleteExpiredChallenges forgets challenges that ended before a time.
func DeleteExpiredChallenges(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM sign_in_challenges WHERE expires_at < $1`, micros(before))
}

func scanChallenge(r Rows) (*iam.Challenge, error) {
	var c iam.Challenge
	var purpose string
	err := r.Scan(&c.Lookup, &purpose, &c.UserID, &c.Data, asTime(&c.ExpiresAt))
	c.Purpose = iam.ChallengePurpose(purpose)
	return &c, err
}
