package store

import (
	"cmp"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const userColumns = `u.id, u.login, u.email, u.name, u.given_name, u.family_name, u.status, u.suspend_reason, u.created_at, u.last_authenticated_at, u.email_verified`

// InsertUserAccount adds a person, an active one unless Status says otherwise;
// the login, and the e-mail address when there is one, must be free. The address
// is kept as iam.CanonicalEmail makes it.
func InsertUserAccount(tx *Tx, u *iam.UserAccount) error {
	email := iam.CanonicalEmail(u.Email)
	_, err := tx.exec(`INSERT INTO user_accounts (id, login, email, name, given_name, family_name, status, suspend_reason, created_at, last_authenticated_at, email_verified)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		u.ID, u.Login, email, u.Name, u.GivenName, u.FamilyName, string(cmp.Or(u.Status, iam.UserAccountActive)), u.SuspendReason,
		micros(u.CreatedAt), micros(u.LastAuthenticatedAt), flag(!u.EmailUnverified))
	tx.record(ChangeUserAccount, u.ID)
	taken := "User account with login " + u.Login
	if email != "" {
		taken += " or e-mail " + email
	}
	return tx.unlessTaken(err, "%s already exists", taken)
}

// GetUserAccount returns a person by id. In an Update the person is held: what
// is given to somebody is not given while he is being deleted.
func GetUserAccount(tx *Tx, id string) (*iam.UserAccount, error) {
	query := `SELECT ` + userColumns + ` FROM user_accounts u WHERE u.id = $1`
	if tx.writes {
		query += tx.db.engine.RowLock()
	}
	return first(tx, "User account", id, scanUser, query, id)
}

// GetUserAccountByLogin returns a person by login, compared exactly, or by e-mail
// address, compared as iam.CanonicalEmail makes it. A login comes first, and then
// an address as it was typed: there are some that are older than their one form.
func GetUserAccountByLogin(tx *Tx, login string) (*iam.UserAccount, error) {
	return first(tx, "User account", login, scanUser, `SELECT `+userColumns+` FROM user_accounts u
		WHERE u.login = $1 OR (u.email IN ($1, $2) AND u.email <> '')
		ORDER BY CASE WHEN u.login = $1 THEN 0 WHEN u.email = $1 THEN 1 ELSE 2 END LIMIT 1`, login, iam.CanonicalEmail(login))
}

// ListUserAccounts returns a page of all people.
func ListUserAccounts(tx *Tx, p Page) ([]*iam.UserAccount, error) {
	return listByID(tx, p, scanUser, `SELECT `+userColumns+` FROM user_accounts u WHERE 1 = 1`)
}

// ListMemberAccounts returns a page of the people in an organization.
func ListMemberAccounts(tx *Tx, organizationID string, p Page) ([]*iam.UserAccount, error) {
	if p.Limit <= 0 {
		return nil, nil
	}
	return collect(tx, scanUser, `SELECT `+userColumns+` FROM organization_members m JOIN user_accounts u ON u.id = m.subject_id
		WHERE m.organization_id = $1 AND m.subject_id > $2 ORDER BY m.subject_id LIMIT $3`, organizationID, p.After, p.Limit)
}

// SetUserAccountStatus suspends or reactivates a person; the reason is of a
// suspension. False when he was in that state already; then nothing has
// changed. What was given to him stays.
func SetUserAccountStatus(tx *Tx, id string, status iam.UserAccountStatus, reason string) (bool, error) {
	if _, err := GetUserAccount(tx, id); err != nil {
		return false, err
	}
	n, err := tx.exec(`UPDATE user_accounts SET status = $1, suspend_reason = $2 WHERE id = $3 AND status <> $1`,
		string(status), reason, id)
	if err != nil || n == 0 {
		return false, err
	}
	tx.record(ChangeUserAccount, id)
	return true, nil
}

// DeleteUserAccount deletes a person with his OAuth tokens, and his bindings,
// groups and memberships wherever they are. The last owner of something cannot
// be deleted.
func DeleteUserAccount(tx *Tx, id string) error {
	if err := holdOwned(tx, "($1)", id); err != nil {
		return err
	}
	if _, err := GetUserAccount(tx, id); err != nil {
		return err
	}
	if err := removeOAuthTokens(tx, `subject_id = $1`, id); err != nil {
		return err
	}
	if err := removeSignIn(tx, id); err != nil {
		return err
	}
	if err := removeSubject(tx, iam.SubjectID(id)); err != nil {
		return err
	}
	n, err := tx.exec(`DELETE FROM user_accounts WHERE id = $1`, id)
	tx.record(ChangeUserAccount, id)
	return mustChange(n, err, "User account", id)
}

// RemoveMember takes a subject out of an organization: its membership, its
// bindings on anything there, its place in the organization's groups, and what it
// has allowed the organization's programs. False when it was no member; then
// nothing has changed. The last owner of something cannot be taken out.
func RemoveMember(tx *Tx, organizationID string, subject iam.SubjectID) (bool, error) {
	if _, err := lockLive(tx, "Organization", resource.Ref{Kind: resource.Organization, ID: organizationID}); err != nil {
		return false, err
	}
	// What the end of the Update holds is held before the bindings on it are
	// touched, as by those who change them.
	owned, err := Owned(tx, organizationID, subject)
	if err != nil {
		return false, err
	}
	for _, o := range owned {
		if _, err := hold(tx, o.ResourceID); err != nil {
			return false, err
		}
	}
	n, err := tx.exec(`DELETE FROM organization_members WHERE organization_id = $1 AND subject_id = $2`, organizationID, string(subject))
	if err != nil || n == 0 {
		return false, err
	}
	tx.record(ChangeMember, string(subject))
	if err := removeBindingsIn(tx, organizationID, subject); err != nil {
		return false, err
	}
	if err := removeOAuthIn(tx, organizationID, string(subject)); err != nil {
		return false, err
	}
	n, err = tx.exec(`DELETE FROM group_members WHERE subject_id = $1
		AND group_id IN (SELECT id FROM groups WHERE organization_id = $2)`, string(subject), organizationID)
	if n > 0 {
		tx.record(ChangeGroups, string(subject))
	}
	return true, err
}

func removeBindingsIn(tx *Tx, organizationID string, subject iam.SubjectID) error {
	return tx.each(`DELETE FROM access_bindings WHERE subject_id = $1 AND organization_id = $2 RETURNING resource_id, role_id`,
		[]any{string(subject), organizationID}, func(r Rows) error {
			var resourceID, role string
			err := r.Scan(&resourceID, &role)
			tx.ended(resourceID, subject, iam.RoleID(role))
			return err
		})
}

// TouchUserAccounts notes when people last proved themselves. Times only go
// forward, unknown ids are passed over, and the feed does not tell of it.
func TouchUserAccounts(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "user_accounts", "last_authenticated_at", last)
}

func scanUser(r Rows) (*iam.UserAccount, error) {
	var u iam.UserAccount
	var status string
	var verified int64
	err := r.Scan(&u.ID, &u.Login, &u.Email, &u.Name, &u.GivenName, &u.FamilyName, &status, &u.SuspendReason,
		asTime(&u.CreatedAt), asTime(&u.LastAuthenticatedAt), &verified)
	u.Status, u.EmailUnverified = iam.UserAccountStatus(status), verified == 0
	return &u, err
}
