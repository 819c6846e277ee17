package store

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const oauthTokenColumns = `id, subject_id, client_id, description, masked, lookup, hash, created_at, expires_at, last_used_at`

// InsertOAuthToken adds an OAuth token to a person.
func InsertOAuthToken(tx *Tx, t *iam.OAuthToken) error {
	if _, err := GetUserAccount(tx, t.UserID); err != nil {
		return err
	}
	if t.ExpiresAt.IsZero() {
		return iam.InvalidField("expires_at", "an OAuth token has an end")
	}
	_, err := tx.exec(`INSERT INTO oauth_tokens (`+oauthTokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.ID, t.UserID, t.ClientID, t.Description, t.Masked, t.Lookup, t.Hash,
		micros(t.CreatedAt), micros(t.ExpiresAt), micros(t.LastUsedAt))
	tx.record(ChangeOAuthToken, OAuthTokenChange(t.ID, t.Lookup))
	return tx.unlessTaken(err, "OAuth token %s already exists", t.ID)
}

// GetOAuthToken returns an OAuth token by id.
func GetOAuthToken(tx *Tx, id string) (*iam.OAuthToken, error) {
	return first(tx, "OAuth token", id, scanOAuthToken, `SELECT `+oauthTokenColumns+` FROM oauth_tokens WHERE id = $1`, id)
}

// FindOAuthToken returns the OAuth token that a look-up leads to; see
// iam.OAuthToken. The miss does not repeat the look-up.
func FindOAuthToken(tx *Tx, lookup string) (*iam.OAuthToken, error) {
	return first(tx, "OAuth token", "of this secret", scanOAuthToken,
		`SELECT `+oauthTokenColumns+` FROM oauth_tokens WHERE lookup = $1`, lookup)
}

// DeleteOAuthToken deletes an OAuth token.
func DeleteOAuthToken(tx *Tx, id string) error {
	gone, err := collect(tx, scanOAuthTokenChange, `DELETE FROM oauth_tokens WHERE id = $1 RETURNING id, lookup`, id)
	tx.recordAll(ChangeOAuthToken, gone)
	return mustChange(int64(len(gone)), err, "OAuth token", id)
}

// ListOAuthTokens returns a page of a person's OAuth tokens, those that have
// expired among them; Page.Name is not looked at.
func ListOAuthTokens(tx *Tx, userID string, p Page) ([]*iam.OAuthToken, error) {
	return listByID(tx, p, scanOAuthToken, `SELECT `+oauthTokenColumns+` FROM oauth_tokens WHERE subject_id = $1`, userID)
}

// CountOAuthTokens counts the OAuth tokens of a person that have not expired,
// up to most.
func CountOAuthTokens(tx *Tx, userID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM oauth_tokens WHERE subject_id = $1 AND expires_at > $2`, userID, micros(tx.now))
}

// DeleteExpiredOAuthTokens forgets the OAuth tokens that ended before a time.
func DeleteExpiredOAuthTokens(tx *Tx, before time.Time) error {
	return removeOAuthTokens(tx, `expires_at < $1`, micros(before))
}

// TouchOAuthTokens is TouchKeys for OAuth tokens.
func TouchOAuthTokens(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "oauth_tokens", "last_used_at", last)
}

// removeOAuthTokens deletes the OAuth tokens that a condition is true of.
func removeOAuthTokens(tx *Tx, where string, args ...any) error {
	gone, err := collect(tx, scanOAuthTokenChange, `DELETE FROM oauth_tokens WHERE `+where+` RETURNING id, lookup`, args...)
	tx.recordAll(ChangeOAuthToken, gone)
	return err
}

// OAuthTokenChange is the key of ChangeOAuthToken.
func OAuthTokenChange(id, lookup string) string { return id + "/" + lookup }

// OfOAuthTokenChange takes the key of ChangeOAuthToken apart.
func OfOAuthTokenChange(key string) (id, lookup string) {
	id, lookup, _ = strings.Cut(key, "/")
	return id, lookup
}

func scanOAuthTokenChange(r Rows) (string, error) {
	var id, lookup string
	err := r.Scan(&id, &lookup)
	return OAuthTokenChange(id, lookup), err
}

func scanOAuthToken(r Rows) (*iam.OAuthToken, error) {
	var t iam.OAuthToken
	err := r.Scan(&t.ID, &t.UserID, &t.ClientID, &t.Description, &t.Masked, &t.Lookup, asBytes(&t.Hash),
		asTime(&t.CreatedAt), asTime(&t.ExpiresAt), asTime(&t.LastUsedAt))
	return &t, err
}
