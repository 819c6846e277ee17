package store

import (
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const oauthGrantColumns = `id, subject_id, client_id, client_info, session_id, scopes, nonce, methods, key_thumbprint, authenticated_at, created_at, expires_at`

// InsertOAuthGrant adds a grant of a person. Nobody remembers grants, so the feed
// does not tell of them: what ends one ends its tokens by a revocation.
func InsertOAuthGrant(tx *Tx, g *iam.OAuthGrant) error {
	if _, err := GetUserAccount(tx, g.UserID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO oauth_grants (`+oauthGrantColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		g.ID, g.UserID, g.ClientID, g.ClientInfo, g.SessionID, strings.Join(g.Scopes, " "), g.Nonce, strings.Join(g.Methods, " "),
		g.KeyThumbprint, micros(g.AuthenticatedAt), micros(g.CreatedAt), micros(g.ExpiresAt))
	return tx.unlessTaken(err, "OAuth grant %s already exists", g.ID)
}

// GetOAuthGrant returns a grant by id. In an Update the grant is held: nothing is
// made of it while it is being ended.
func GetOAuthGrant(tx *Tx, id string) (*iam.OAuthGrant, error) {
	query := `SELECT ` + oauthGrantColumns + ` FROM oauth_grants WHERE id = $1`
	if tx.writes {
		query += tx.db.engine.RowLock()
	}
	return first(tx, "OAuth grant", id, scanOAuthGrant, query, id)
}

// ListOAuthGrantsOf returns all grants of a person to one program, newest first.
func ListOAuthGrantsOf(tx *Tx, userID, clientID string) ([]*iam.OAuthGrant, error) {
	return collect(tx, scanOAuthGrant, `SELECT `+oauthGrantColumns+` FROM oauth_grants
		WHERE subject_id = $1 AND client_id = $2 ORDER BY created_at DESC, id`, userID, clientID)
}

// BindOAuthGrant writes what the program calls itself, and its key, as they are
// when it redeems its code.
func BindOAuthGrant(tx *Tx, g *iam.OAuthGrant) error {
	n, err := tx.exec(`UPDATE oauth_grants SET client_info = $1, key_thumbprint = $2 WHERE id = $3`, g.ClientInfo, g.KeyThumbprint, g.ID)
	return mustChange(n, err, "OAuth grant", g.ID)
}

// EndOAuthGrant deletes a grant with its codes and refresh tokens. The caller
// revokes what was made of it.
func EndOAuthGrant(tx *Tx, id string) error {
	gone, err := removeOAuthGrants(tx, `id = $1`, id)
	return mustChange(int64(len(gone)), err, "OAuth grant", id)
}

// EndOAuthGrantsOf is EndOAuthGrant for all grants of a person, to one program
// unless clientID is "", and returns their ids.
func EndOAuthGrantsOf(tx *Tx, userID, clientID string) ([]string, error) {
	return removeOAuthGrants(tx, `subject_id = $1 AND ($2 = '' OR client_id = $2)`, userID, clientID)
}

// EndOAuthGrantsBeyond is EndOAuthGrant for the oldest grants of a person to one
// program, so that some are left.
func EndOAuthGrantsBeyond(tx *Tx, userID, clientID string, left int) ([]string, error) {
	return removeOAuthGrants(tx, `id IN (SELECT id FROM oauth_grants WHERE subject_id = $1 AND client_id = $2
		ORDER BY created_at DESC, id LIMIT 1000 OFFSET $3)`, userID, clientID, left)
}

// DeleteOldOAuthGrants forgets up to a thousand grants that ended before a time.
func DeleteOldOAuthGrants(tx *Tx, before time.Time) (int, error) {
	gone, err := removeOAuthGrants(tx, `id IN (SELECT id FROM oauth_grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 1000)`, micros(before))
	return len(gone), err
}

// removeOAuthGrants deletes the grants that a condition is true of, with all that
// belongs to them. They are held first, so that none gets a token meanwhile.
func removeOAuthGrants(tx *Tx, where string, args ...any) ([]string, error) {
	held, err := collect(tx, scanString, `SELECT id FROM oauth_grants WHERE `+where+` ORDER BY id`+tx.db.engine.RowLock(), args...)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	for some := range slices.Chunk(held, 500) {
		list, args := in(nil, some)
		for _, of := range []string{
			`DELETE FROM oauth_codes WHERE grant_id IN `, `DELETE FROM refresh_tokens WHERE grant_id IN `,
			`DELETE FROM device_codes WHERE grant_id IN `, `DELETE FROM oauth_grants WHERE id IN `,
		} {
			if _, err := tx.exec(of+list, args...); err != nil {
				return nil, err
			}
		}
	}
	return held, nil
}

// removeOAuthOfClients deletes what people have allowed the clients that a
// condition on oauth_clients is true of.
func removeOAuthOfClients(tx *Tx, where string, args ...any) error {
	those := `client_id IN (SELECT id FROM oauth_clients WHERE ` + where + `)`
	if _, err := removeOAuthGrants(tx, those, args...); err != nil {
		return err
	}
	for _, of := range []string{`DELETE FROM oauth_consents WHERE `, `DELETE FROM device_codes WHERE `} {
		if _, err := tx.exec(of+those, args...); err != nil {
			return err
		}
	}
	return nil
}

// removeOAuthIn ends what a person has allowed the programs of an organization.
func removeOAuthIn(tx *Tx, organizationID, userID string) error {
	const those = `subject_id = $1 AND client_id IN (SELECT c.id FROM oauth_clients c JOIN folders f ON f.id = c.folder_id
		JOIN clouds o ON o.id = f.cloud_id WHERE o.organization_id = $2)`
	if _, err := removeOAuthGrants(tx, those, userID, organizationID); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM oauth_consents WHERE `+those, userID, organizationID)
	return err
}

func scanOAuthGrant(r Rows) (*iam.OAuthGrant, error) {
	var g iam.OAuthGrant
	var scopes, methods string
	err := r.Scan(&g.ID, &g.UserID, &g.ClientID, &g.ClientInfo, &g.SessionID, &scopes, &g.Nonce, &methods, &g.KeyThumbprint,
		asTime(&g.AuthenticatedAt), asTime(&g.CreatedAt), asTime(&g.ExpiresAt))
	g.Scopes, g.Methods = wordsOf(scopes), wordsOf(methods)
	return &g, err
}
