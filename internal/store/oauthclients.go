package store

import (
	"encoding/json"
	"fmt"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const oauthClientColumns = `id, folder_id, name, redirect_uris, post_logout_uris, scopes, authentication_methods, profile_id, pkce_required, created_at`

// InsertOAuthClient adds an OAuth client to a live folder; its name must be free there.
func InsertOAuthClient(tx *Tx, c *iam.OAuthClient) error {
	lists, err := listTexts(c.RedirectURIs, c.PostLogoutRedirectURIs, c.Scopes, c.AuthenticationMethods)
	if err != nil {
		return err
	}
	if _, err := lockLive(tx, "Folder", resource.Ref{Kind: resource.Folder, ID: c.FolderID}); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO oauth_clients (`+oauthClientColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.ID, c.FolderID, c.Name, lists[0], lists[1], lists[2], lists[3], c.ProfileID, asInt(c.PKCERequired), micros(c.CreatedAt))
	tx.record(ChangeOAuthClient, c.ID)
	return oauthClientNameTaken(tx, err, c)
}

// GetOAuthClient returns an OAuth client by id.
func GetOAuthClient(tx *Tx, id string) (*iam.OAuthClient, error) {
	return first(tx, "OAuth client", id, scanOAuthClient, `SELECT `+oauthClientColumns+` FROM oauth_clients WHERE id = $1`, id)
}

// HoldOAuthClient is GetOAuthClient in an Update that changes the client or what
// belongs to it: until its end nobody else does.
func HoldOAuthClient(tx *Tx, id string) (*iam.OAuthClient, error) {
	return first(tx, "OAuth client", id, scanOAuthClient,
		`SELECT `+oauthClientColumns+` FROM oauth_clients WHERE id = $1`+tx.db.engine.RowLock(), id)
}

// UpdateOAuthClient writes everything but folder and profile, which never change.
func UpdateOAuthClient(tx *Tx, c *iam.OAuthClient) error {
	lists, err := listTexts(c.RedirectURIs, c.PostLogoutRedirectURIs, c.Scopes, c.AuthenticationMethods)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE oauth_clients SET name = $1, redirect_uris = $2, post_logout_uris = $3, scopes = $4,
		authentication_methods = $5, pkce_required = $6 WHERE id = $7`,
		c.Name, lists[0], lists[1], lists[2], lists[3], asInt(c.PKCERequired), c.ID)
	tx.record(ChangeOAuthClient, c.ID)
	return mustChange(n, oauthClientNameTaken(tx, err, c), "OAuth client", c.ID)
}

// DeleteOAuthClient deletes an OAuth client with its secrets.
func DeleteOAuthClient(tx *Tx, id string) error {
	gone, err := removeOAuthClients(tx, `id = $1`, id)
	return mustChange(int64(len(gone)), err, "OAuth client", id)
}

// ListOAuthClients returns a page of a folder's OAuth clients: id, folder, name
// and profile. The rest of a client may take two megabytes, and is not read.
func ListOAuthClients(tx *Tx, folderID string, p Page) ([]*iam.OAuthClient, error) {
	return listPage(tx, p, func(r Rows) (*iam.OAuthClient, error) {
		var c iam.OAuthClient
		return &c, r.Scan(&c.ID, &c.FolderID, &c.Name, &c.ProfileID)
	}, `SELECT id, folder_id, name, profile_id FROM oauth_clients WHERE folder_id = $1`, folderID)
}

// removeOAuthClients deletes the OAuth clients that a condition is true of, with
// their secrets and what people have allowed them. The clients are held first, so
// that none gets a secret or a grant meanwhile.
func removeOAuthClients(tx *Tx, where string, args ...any) (gone []string, err error) {
	held, err := collect(tx, scanString, `SELECT id FROM oauth_clients WHERE `+where+` ORDER BY id`+tx.db.engine.RowLock(), args...)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	if _, err := removeOAuthClientSecrets(tx, `oauth_client_id IN (SELECT id FROM oauth_clients WHERE `+where+`)`, args...); err != nil {
		return nil, err
	}
	if err := removeOAuthOfClients(tx, where, args...); err != nil {
		return nil, err
	}
	gone, err = collect(tx, scanString, `DELETE FROM oauth_clients WHERE `+where+` RETURNING id`, args...)
	tx.recordAll(ChangeOAuthClient, gone)
	return gone, err
}

func oauthClientNameTaken(tx *Tx, err error, c *iam.OAuthClient) error {
	return tx.unlessTaken(err, "OAuth client with name %s already exists in folder %s", c.Name, c.FolderID)
}

func scanOAuthClient(r Rows) (*iam.OAuthClient, error) {
	var c iam.OAuthClient
	var lists [4]string
	var pkce int64
	if err := r.Scan(&c.ID, &c.FolderID, &c.Name, &lists[0], &lists[1], &lists[2], &lists[3], &c.ProfileID, &pkce, asTime(&c.CreatedAt)); err != nil {
		return nil, err
	}
	c.PKCERequired = pkce != 0
	for i, into := range []*[]string{&c.RedirectURIs, &c.PostLogoutRedirectURIs, &c.Scopes, &c.AuthenticationMethods} {
		if err := json.Unmarshal([]byte(lists[i]), into); err != nil {
			return nil, fmt.Errorf("lists of OAuth client %s: %w", c.ID, err)
		}
		if len(*into) == 0 {
			*into = nil
		}
	}
	return &c, nil
}

// listTexts writes lists as JSON arrays, none as [].
func listTexts(lists ...[]string) ([]string, error) {
	out := make([]string, len(lists))
	for i, l := range lists {
		if len(l) == 0 {
			l = []string{}
		}
		b, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		out[i] = string(b)
	}
	return out, nil
}

// asInt is how a truth is stored: 0 or 1.
func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
