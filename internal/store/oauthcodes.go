package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const oauthCodeColumns = `lookup, grant_id, redirect_uri, code_challenge, expires_at, used_at`

// InsertOAuthCode adds a code to a grant.
func InsertOAuthCode(tx *Tx, c *iam.OAuthCode) error {
	if _, err := GetOAuthGrant(tx, c.GrantID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO oauth_codes (`+oauthCodeColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.Lookup, c.GrantID, c.RedirectURI, c.Challenge, micros(c.ExpiresAt), micros(c.UsedAt))
	return tx.unlessTaken(err, "OAuth code already exists")
}

// FindOAuthCode returns the code that a look-up leads to, whatever has become of
// it; see iam.OAuthCode. The miss does not repeat the look-up.
func FindOAuthCode(tx *Tx, lookup string) (*iam.OAuthCode, error) {
	return first(tx, "OAuth code", "of this text", scanOAuthCode, `SELECT `+oauthCodeColumns+` FROM oauth_codes WHERE lookup = $1`, lookup)
}

// UseOAuthCode uses a code up; false when somebody was quicker, or it has
// expired or gone with its grant.
func UseOAuthCode(tx *Tx, lookup string) (bool, error) {
	n, err := tx.exec(`UPDATE oauth_codes SET used_at = $2 WHERE lookup = $1 AND used_at IS NULL AND expires_at > $2`, lookup, micros(tx.now))
	return n > 0, err
}

// DeleteExpiredOAuthCodes forgets codes that expired before a time and were never
// used. Those that were go with their grants.
func DeleteExpiredOAuthCodes(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM oauth_codes WHERE expires_at < $1 AND used_at IS NULL`, micros(before))
}

func scanOAuthCode(r Rows) (*iam.OAuthCode, error) {
	var c iam.OAuthCode
	err := r.Scan(&c.Lookup, &c.GrantID, &c.RedirectURI, &c.Challenge, asTime(&c.ExpiresAt), asTime(&c.UsedAt))
	return &c, err
}
