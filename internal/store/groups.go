package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Group is a row of groups: a named set of subjects in an organization.
type Group struct {
	ID             string
	OrganizationID string
	Name           string // unique within the organization
	Description    string
	CreatedAt      time.Time
}

const groupColumns = `id, organization_id, name, description, created_at`

// InsertGroup adds a group to a live organization; its name must be free there.
func InsertGroup(tx *Tx, g *Group) error {
	if _, err := lockLive(tx, "Organization", resource.Ref{Kind: resource.Organization, ID: g.OrganizationID}); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO groups (`+groupColumns+`) VALUES ($1, $2, $3, $4, $5)`,
		g.ID, g.OrganizationID, g.Name, g.Description, micros(g.CreatedAt))
	return tx.unlessTaken(err, "Group with name %s already exists in organization %s", g.Name, g.OrganizationID)
}

// GetGroup returns a group by id.
func GetGroup(tx *Tx, id string) (*Group, error) {
	return first(tx, "Group", id, scanGroup, `SELECT `+groupColumns+` FROM groups WHERE id = $1`, id)
}

// AddGroupMember puts a subject into a group; false when it was in it already.
func AddGroupMember(tx *Tx, groupID string, subject iam.Subject) (bool, error) {
	if _, err := GetGroup(tx, groupID); err != nil {
		return false, err
	}
	if err := holdSubject(tx, subject.ID); err != nil {
		return false, err
	}
	n, err := tx.exec(`INSERT INTO group_members (group_id, subject_id, subject_type, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (group_id, subject_id) DO NOTHING`, groupID, string(subject.ID), string(subject.Type), micros(tx.now))
	if err != nil || n == 0 {
		return false, err
	}
	tx.record(ChangeGroups, string(subject.ID))
	return true, nil
}

// RemoveGroupMember takes a subject out of a group; false when it was not in it.
func RemoveGroupMember(tx *Tx, groupID string, subject iam.SubjectID) (bool, error) {
	n, err := tx.exec(`DELETE FROM group_members WHERE group_id = $1 AND subject_id = $2`, groupID, string(subject))
	if err != nil || n == 0 {
		return false, err
	}
	tx.record(ChangeGroups, string(subject))
	return true, nil
}

// GroupsOf returns the groups that a subject is in, ordered by id.
func GroupsOf(tx *Tx, subject iam.SubjectID) ([]iam.SubjectID, error) {
	return collect(tx, scanSubjectID, `SELECT group_id FROM group_members WHERE subject_id = $1 ORDER BY group_id`, string(subject))
}

func scanGroup(r Rows) (*Group, error) {
	var g Group
	err := r.Scan(&g.ID, &g.OrganizationID, &g.Name, &g.Description, asTime(&g.CreatedAt))
	return &g, err
}
