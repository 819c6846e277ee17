package signin

import (
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

const (
	// freeAttempts may follow each other at once: people mistype.
	freeAttempts = 4
	// lockedAttempts is when the delay is called a lockout.
	lockedAttempts = 10
	longestDelay   = 15 * time.Minute
	// AttemptsKept is how long failures count after the last one.
	AttemptsKept = 24 * time.Hour
)

// delayAfter is how long nothing more may be tried after so many attempts, of
// which some are free: 1 s, 2 s, 4 s and so on.
func delayAfter(attempts, free int, longest time.Duration) time.Duration {
	if attempts <= free {
		return 0
	}
	if over := attempts - free - 1; over < 20 {
		return min(longest, time.Second<<over)
	}
	return longest
}

// admit counts an attempt before it is judged, for all nodes. It fails with
// RESOURCE_EXHAUSTED while it is too early; such an attempt is not counted.
// locked tells that this attempt makes the delay a lockout.
func admit(tx *store.Tx, id string) (locked bool, err error) {
	a, err := store.HoldAttempts(tx, id)
	if err != nil {
		return false, err
	}
	now := tx.Now()
	if wait := a.BlockedUntil.Sub(now); wait > 0 {
		return false, tooEarly(wait)
	}
	if now.Sub(a.LastAt) > AttemptsKept {
		a.Count = 0
	}
	a.Count++
	a.LastAt, a.BlockedUntil = now, time.Time{}
	if d := delayAfter(a.Count, freeAttempts, longestDelay); d > 0 {
		a.BlockedUntil = now.Add(d)
	}
	return a.Count == lockedAttempts, store.SetAttempts(tx, id, a)
}

// The text says nothing of the account: it is the same for logins that nobody has.
func tooEarly(wait time.Duration) error {
	wait = wait.Truncate(time.Second) + time.Second
	return &iam.Error{Kind: iam.ResourceExhausted, Reason: "too_many_attempts", RetryAfter: wait,
		Message: fmt.Sprintf("Too many attempts; try again in %s", wait)}
}

// What a person types is counted name by name, as what nobody is called: were it
// counted person by person, failing at a login would delay the e-mail address of
// the same person and so tell that they belong together.
func loginAttempts(id string) string        { return "login/" + id }
func emailAttempts(id string) string        { return "email/" + id }
func againAttempts(id string) string        { return "again/" + id }
func secondFactorAttempts(id string) string { return "secondFactor/" + id }

// ForgetAttempts lets a person try again at once, as after an operator has given
// him another password.
func ForgetAttempts(tx *store.Tx, userID string) error {
	for _, id := range []string{loginAttempts(userID), emailAttempts(userID), againAttempts(userID), secondFactorAttempts(userID)} {
		if err := store.DeleteAttempts(tx, id); err != nil {
			return err
		}
	}
	return nil
}
