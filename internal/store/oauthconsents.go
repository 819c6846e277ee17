package store

import (
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

const oauthConsentColumns = `subject_id, client_id, scopes, created_at, last_used_at`

// GetOAuthConsent returns what a person has allowed a program.
func GetOAuthConsent(tx *Tx, userID, clientID string) (*iam.OAuthConsent, error) {
	return first(tx, "OAuth consent", "for "+clientID, scanOAuthConsent, `SELECT `+oauthConsentColumns+` FROM oauth_consents
		WHERE subject_id = $1 AND client_id = $2`, userID, clientID)
}

// SetOAuthConsent writes what a person has allowed a program, in place of what
// was there; when he first did stays.
func SetOAuthConsent(tx *Tx, c *iam.OAuthConsent) error {
	if _, err := GetUserAccount(tx, c.UserID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO oauth_consents (`+oauthConsentColumns+`) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (subject_id, client_id) DO UPDATE SET scopes = excluded.scopes, last_used_at = excluded.last_used_at`,
		c.UserID, c.ClientID, strings.Join(c.Scopes, " "), micros(c.CreatedAt), micros(c.LastUsedAt))
	return err
}

// UseOAuthConsent notes that a program acts for a person now. One that he has
// never allowed, or has removed, is passed over.
func UseOAuthConsent(tx *Tx, userID, clientID string) error {
	_, err := tx.exec(`UPDATE oauth_consents SET last_used_at = $3 WHERE subject_id = $1 AND client_id = $2`, userID, clientID, micros(tx.now))
	return err
}

// DeleteOAuthConsent forgets what a person has allowed a program.
func DeleteOAuthConsent(tx *Tx, userID, clientID string) error {
	n, err := tx.exec(`DELETE FROM oauth_consents WHERE subject_id = $1 AND client_id = $2`, userID, clientID)
	return mustChange(n, err, "OAuth consent", "for "+clientID)
}

// ListOAuthConsents returns a page of what a person has allowed, ordered by
// client; Page.After is the last client of the page before, Page.Name is not
// looked at.
func ListOAuthConsents(tx *Tx, userID string, p Page) ([]*iam.OAuthConsent, error) {
	if p.Limit <= 0 {
		return nil, nil
	}
	return collect(tx, scanOAuthConsent, `SELECT `+oauthConsentColumns+` FROM oauth_consents
		WHERE subject_id = $1 AND client_id > $2 ORDER BY client_id LIMIT $3`, userID, p.After, p.Limit)
}

// CountLiveRefreshTokens counts what lets a program act while a person is away,
// up to most.
func CountLiveRefreshTokens(tx *Tx, userID, clientID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM refresh_tokens WHERE subject_id = $1 AND client_id = $2 AND replaced_at IS NULL AND expires_at > $3`,
		userID, clientID, micros(tx.now))
}

func scanOAuthConsent(r Rows) (*iam.OAuthConsent, error) {
	var c iam.OAuthConsent
	var scopes string
	err := r.Scan(&c.UserID, &c.ClientID, &scopes, asTime(&c.CreatedAt), asTime(&c.LastUsedAt))
	c.Scopes = wordsOf(scopes)
	return &c, err
}
