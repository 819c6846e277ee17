package store

import (
	"encoding/json"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const invitationColumns = `id, lookup, origin, email, name, organizations, created_at, expires_at`

// InsertInvitation adds an invitation.
func InsertInvitation(tx *Tx, i *iam.Invitation) error {
	organizations, err := json.Marshal(i.Organizations)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO account_invitations (`+invitationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		i.ID, i.Lookup, string(i.Origin), i.Email, i.Name, string(organizations), micros(i.CreatedAt), micros(i.ExpiresAt))
	return tx.unlessTaken(err, "Invitation %s already exists", i.ID)
}

// FindInvitation returns an invitation that has not expired by its look-up; see
// iam.Invitation. The miss does not repeat the look-up.
func FindInvitation(tx *Tx, lookup string) (*iam.Invitation, error) {
	return first(tx, "Invitation", "of this text", scanInvitation, `SELECT `+invitationColumns+` FROM account_invitations
		WHERE lookup = $1 AND expires_at > $2`, lookup, micros(tx.now))
}

// UseInvitation takes an invitation that FindInvitation would find away and
// returns it; NOT_FOUND when somebody was quicker.
func UseInvitation(tx *Tx, lookup string) (*iam.Invitation, error) {
	return first(tx, "Invitation", "of this text", scanInvitation, `DELETE FROM account_invitations
		WHERE lookup = $1 AND expires_at > $2 RETURNING `+invitationColumns, lookup, micros(tx.now))
}

// ListInvitations returns a page of the invitations that have not expired.
func ListInvitations(tx *Tx, p Page) ([]*iam.Invitation, error) {
	return listByID(tx, p, scanInvitation, `SELECT `+invitationColumns+` FROM account_invitations WHERE expires_at > $1`, micros(tx.now))
}

// DeleteInvitation takes an invitation back.
func DeleteInvitation(tx *Tx, id string) error {
	n, err := tx.exec(`DELETE FROM account_invitations WHERE id = $1`, id)
	return mustChange(n, err, "Invitation", id)
}

// DeleteInvitationsTo takes the invitations of one origin to a mailbox back.
func DeleteInvitationsTo(tx *Tx, email string, origin iam.InvitationOrigin) error {
	_, err := tx.exec(`DELETE FROM account_invitations WHERE email = $1 AND origin = $2`, email, string(origin))
	return err
}

// DeleteExpiredInvitations forgets invitations that ended before a time.
func DeleteExpiredInvitations(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM account_invitations WHERE expires_at < $1`, micros(before))
}

func scanInvitation(r Rows) (*iam.Invitation, error) {
	var i iam.Invitation
	var origin, organizations string
	err := r.Scan(&i.ID, &i.Lookup, &origin, &i.Email, &i.Name, &organizations, asTime(&i.CreatedAt), asTime(&i.ExpiresAt))
	if err == nil {
		err = json.Unmarshal([]byte(organizations), &i.Organizations)
	}
	i.Origin = iam.InvitationOrigin(origin)
	return &i, err
}
