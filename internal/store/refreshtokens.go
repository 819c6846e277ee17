package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const refreshTokenColumns = `id, grant_id, subject_id, client_id, client_info, protection_level, lookup, created_at, expires_at, last_used_at, replaced_at`

// InsertRefreshToken adds a refresh token to a grant that is held, which then
// lasts as long as anything may be asked about the token: keptUntil. Nobody
// remembers refresh tokens, so the feed does not tell of them.
func InsertRefreshToken(tx *Tx, t *iam.RefreshToken, keptUntil time.Time) error {
	n, err := tx.exec(`UPDATE oauth_grants SET expires_at = CASE WHEN expires_at > $1 THEN expires_at ELSE $1 END WHERE id = $2`,
		micros(keptUntil), t.GrantID)
	if err := mustChange(n, err, "OAuth grant", t.GrantID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO refresh_tokens (`+refreshTokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		t.ID, t.GrantID, t.UserID, t.ClientID, t.ClientInfo, string(t.Protection), t.Lookup,
		micros(t.CreatedAt), micros(t.ExpiresAt), micros(t.LastUsedAt), micros(t.ReplacedAt))
	return tx.unlessTaken(err, "Refresh token %s already exists", t.ID)
}

// GetRefreshToken returns a refresh token by id.
func GetRefreshToken(tx *Tx, id string) (*iam.RefreshToken, error) {
	return first(tx, "Refresh token", id, scanRefreshToken, `SELECT `+refreshTokenColumns+` FROM refresh_tokens WHERE id = $1`, id)
}

// FindRefreshToken returns the refresh token that a look-up leads to; see
// iam.RefreshToken. The miss does not repeat the look-up.
func FindRefreshToken(tx *Tx, lookup string) (*iam.RefreshToken, error) {
	return first(tx, "Refresh token", "of this text", scanRefreshToken,
		`SELECT `+refreshTokenColumns+` FROM refresh_tokens WHERE lookup = $1`, lookup)
}

// ReplaceRefreshToken notes that another token has come in the place of one
// that was the last of its grant.
func ReplaceRefreshToken(tx *Tx, id string, at time.Time) error {
	n, err := tx.exec(`UPDATE refresh_tokens SET replaced_at = $1 WHERE id = $2 AND replaced_at IS NULL`, micros(at), id)
	return mustChange(n, err, "Refresh token", id)
}

// RefreshTokenFilter narrows a list; each empty field narrows nothing.
type RefreshTokenFilter struct {
	ClientID   string
	ClientInfo string
	Protection []iam.ProtectionLevel
}

// ListRefreshTokens returns a page of a person's refresh tokens, those that have
// expired among them and without those that were replaced; Page.Name is not
// looked at.
func ListRefreshTokens(tx *Tx, userID string, f RefreshTokenFilter, p Page) ([]*iam.RefreshToken, error) {
	args := []any{userID}
	query := `SELECT ` + refreshTokenColumns + ` FROM refresh_tokens WHERE subject_id = $1 AND replaced_at IS NULL`
	if f.ClientID != "" {
		args = append(args, f.ClientID)
		query += ` AND client_id = ` + placeholder(args)
	}
	if f.ClientInfo != "" {
		args = append(args, f.ClientInfo)
		query += ` AND client_info = ` + placeholder(args)
	}
	if len(f.Protection) > 0 {
		var list string
		list, args = in(args, f.Protection)
		query += ` AND protection_level IN ` + list
	}
	return listByID(tx, p, scanRefreshToken, query, args...)
}

// ListForbiddenRefreshTokens returns refresh tokens that members of an
// organization have and may not have, as somebody has said for it, at most limit.
func ListForbiddenRefreshTokens(tx *Tx, organizationID string, limit int) ([]*iam.RefreshToken, error) {
	return collect(tx, scanRefreshToken, `SELECT `+refreshTokenColumns+` FROM refresh_tokens
		WHERE subject_id IN (SELECT m.subject_id FROM organization_members m
			JOIN organization_sign_in s ON s.organization_id = m.organization_id
			WHERE m.organization_id = $1 AND (s.refresh_tokens = $2 OR (s.refresh_tokens = $3 AND refresh_tokens.protection_level = $4)))
		ORDER BY id LIMIT $5`, organizationID, string(iam.RefreshTokensOff), string(iam.RefreshTokensDPoP), string(iam.NoProtection), limit)
}

// TouchRefreshTokens is TouchKeys for refresh tokens.
func TouchRefreshTokens(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "refresh_tokens", "last_used_at", last)
}

// DeleteRefreshTokensBefore forgets refresh tokens that ended before a time.
func DeleteRefreshTokensBefore(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM refresh_tokens WHERE expires_at < $1`, micros(before))
}

func scanRefreshToken(r Rows) (*iam.RefreshToken, error) {
	var t iam.RefreshToken
	var protection string
	err := r.Scan(&t.ID, &t.GrantID, &t.UserID, &t.ClientID, &t.ClientInfo, &protection, &t.Lookup,
		asTime(&t.CreatedAt), asTime(&t.ExpiresAt), asTime(&t.LastUsedAt), asTime(&t.ReplacedAt))
	t.Protection = iam.ProtectionLevel(protection)
	return &t, err
}
