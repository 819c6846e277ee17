package store

import "time"

// Attempts are the tries to prove something that have not succeeded.
type Attempts struct {
	Count        int
	LastAt       time.Time
	BlockedUntil time.Time // zero: not blocked
}

// HoldAttempts returns the attempts under an id, none when there are none, and
// keeps them as they are until the end of the Update, so that two attempts at
// the same time are counted as two.
func HoldAttempts(tx *Tx, id string) (Attempts, error) {
	var a Attempts
	// The row is made first: there is nothing to hold before.
	if _, err := tx.exec(`INSERT INTO sign_in_attempts (id, attempts, last_at) VALUES ($1, 0, $2) ON CONFLICT (id) DO NOTHING`, id, micros(tx.now)); err != nil {
		return a, err
	}
	var n int64
	_, err := tx.one(`SELECT attempts, last_at, blocked_until FROM sign_in_attempts WHERE id = $1`+tx.db.engine.RowLock(),
		[]any{id}, &n, asTime(&a.LastAt), asTime(&a.BlockedUntil))
	a.Count = int(n)
	return a, err
}

// SetAttempts writes what HoldAttempts has held.
func SetAttempts(tx *Tx, id string, a Attempts) error {
	_, err := tx.exec(`INSERT INTO sign_in_attempts (id, attempts, last_at, blocked_until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET attempts = excluded.attempts, last_at = excluded.last_at, blocked_until = excluded.blocked_until`,
		id, a.Count, micros(a.LastAt), micros(a.BlockedUntil))
	return err
}

// DeleteAttempts forgets the attempts under an id.
func DeleteAttempts(tx *Tx, id string) error {
	_, err := tx.exec(`DELETE FROM sign_in_attempts WHERE id = $1`, id)
	return err
}

// DeleteAttemptsBefore forgets attempts of which the last was before a time.
func DeleteAttemptsBefore(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM sign_in_attempts WHERE last_at < $1`, micros(before))
}
