package store

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const sessionColumns = `id, subject_id, lookup, created_at, last_seen_at, expires_at, second_factor, address, user_agent, methods, authenticated_at`

// InsertSession adds a session. Nobody remembers sessions, so the feed does not
// tell of them: what ends one ends its tokens by a revocation. It begins with a
// proof, so AuthenticatedAt is CreatedAt unless s says otherwise.
func InsertSession(tx *Tx, s *iam.Session) error {
	if _, err := GetUserAccount(tx, s.UserID); err != nil {
		return err
	}
	proved := s.AuthenticatedAt
	if proved.IsZero() {
		proved = s.CreatedAt
	}
	_, err := tx.exec(`INSERT INTO sessions (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		s.ID, s.UserID, s.Lookup, micros(s.CreatedAt), micros(s.LastSeenAt), micros(s.ExpiresAt), flag(s.SecondFactor), s.Address, s.UserAgent, strings.Join(s.Methods, " "), micros(proved))
	return tx.unlessTaken(err, "Session %s already exists", s.ID)
}

// RenewSession gives the session of a cookie, former, another one, and writes how
// and when its person has proved himself again; s is filled in with its id and
// CreatedAt. False, and nothing happens, when there is none, or it is another
// person's, has expired, or was last seen before a time.
func RenewSession(tx *Tx, former string, s *iam.Session, seenSince time.Time) (bool, error) {
	if _, err := GetUserAccount(tx, s.UserID); err != nil { // as in InsertSession
		return false, err
	}
	return tx.one(`UPDATE sessions SET lookup = $1, authenticated_at = $2, last_seen_at = $3, expires_at = $4, second_factor = $5,
		address = $6, user_agent = $7, methods = $8
		WHERE lookup = $9 AND subject_id = $10 AND expires_at > $11 AND last_seen_at >= $12 RETURNING id, created_at`,
		[]any{s.Lookup, micros(s.AuthenticatedAt), micros(s.LastSeenAt), micros(s.ExpiresAt), flag(s.SecondFactor), s.Address, s.UserAgent,
			strings.Join(s.Methods, " "), former, s.UserID, micros(tx.now), micros(seenSince)}, &s.ID, asTime(&s.CreatedAt))
}

// FindSession returns the session of a cookie; see iam.Session. The miss does
// not repeat the look-up.
func FindSession(tx *Tx, lookup string) (*iam.Session, error) {
	return first(tx, "Session", "of this cookie", scanSession, `SELECT `+sessionColumns+` FROM sessions WHERE lookup = $1`, lookup)
}

// GetSession returns a session by id.
func GetSession(tx *Tx, id string) (*iam.Session, error) {
	return first(tx, "Session", id, scanSession, `SELECT `+sessionColumns+` FROM sessions WHERE id = $1`, id)
}

// ListSessions returns a page of a person's sessions that were seen since a time
// and have not expired; Page.Name is not looked at.
func ListSessions(tx *Tx, userID string, since time.Time, p Page) ([]*iam.Session, error) {
	return listByID(tx, p, scanSession, `SELECT `+sessionColumns+` FROM sessions
		WHERE subject_id = $1 AND last_seen_at >= $2 AND expires_at > $3`, userID, micros(since), micros(tx.now))
}

// TouchSessions is TouchKeys for when sessions were seen.
func TouchSessions(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "sessions", "last_seen_at", last)
}

// DeleteSession ends one session of a person.
func DeleteSession(tx *Tx, userID, id string) error {
	n, err := tx.exec(`DELETE FROM sessions WHERE id = $1 AND subject_id = $2`, id, userID)
	return mustChange(n, err, "Session", id)
}

// DeleteSessions ends a person's sessions but one, which may be "", and returns
// their ids.
func DeleteSessions(tx *Tx, userID, but string) ([]string, error) {
	return collect(tx, scanString, `DELETE FROM sessions WHERE subject_id = $1 AND id <> $2 RETURNING id`, userID, but)
}

// DeleteSessionsBeyond ends those of a person's sessions that were seen longest
// ago, so that some are left, and returns their ids: a thousand at most.
func DeleteSessionsBeyond(tx *Tx, userID string, left int) ([]string, error) {
	return collect(tx, scanString, `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions
		WHERE subject_id = $1 ORDER BY last_seen_at DESC, id LIMIT 1000 OFFSET $2) RETURNING id`, userID, left)
}

// DeleteOldSessions forgets sessions that were last seen before a time or have
// expired.
func DeleteOldSessions(tx *Tx, seenBefore time.Time) (int64, error) {
	return tx.exec(`DELETE FROM sessions WHERE last_seen_at < $1 OR expires_at <= $2`, micros(seenBefore), micros(tx.now))
}

func scanSession(r Rows) (*iam.Session, error) {
	var s iam.Session
	var second int64
	var methods string
	err := r.Scan(&s.ID, &s.UserID, &s.Lookup, asTime(&s.CreatedAt), asTime(&s.LastSeenAt), asTime(&s.ExpiresAt), &second, &s.Address, &s.UserAgent, &methods,
		asTime(&s.AuthenticatedAt))
	s.SecondFactor, s.Methods = second == 1, wordsOf(methods)
	return &s, err
}
