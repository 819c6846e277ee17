package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const groupColumns = `id, organization_id, name, description, labels, subject_container_id, external_id, created_at`

// InsertGroup adds a group to a live organization; its name must be free there,
// and what it stands for elsewhere without a group.
func InsertGroup(tx *Tx, g *iam.Group) error {
	labels, err := labelsText(g.Labels)
	if err != nil {
		return err
	}
	parent := resource.Ref{Kind: resource.Organization, ID: g.OrganizationID}
	if _, err := lockLive(tx, "Organization", parent); err != nil {
		return err
	}
	if err := externalFree(tx, g); err != nil {
		return err
	}
	if err := insertResource(tx, resource.Ref{Kind: resource.Group, ID: g.ID}, parent.ID, parent.ID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO groups (`+groupColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		g.ID, g.OrganizationID, g.Name, g.Description, labels, g.SubjectContainerID, g.ExternalID, micros(g.CreatedAt))
	return groupNameTaken(tx, err, g)
}

// GetGroup returns a group by id.
func GetGroup(tx *Tx, id string) (*iam.Group, error) {
	return first(tx, "Group", id, scanGroup, `SELECT `+groupColumns+` FROM groups WHERE id = $1`, id)
}

// GetExternalGroup returns the group of a container that has an external id.
func GetExternalGroup(tx *Tx, containerID, externalID string) (*iam.Group, error) {
	return first(tx, "External group", externalID, scanGroup, `SELECT `+groupColumns+` FROM groups
		WHERE subject_container_id = $1 AND external_id = $2 AND subject_container_id <> ''`, containerID, externalID)
}

// UpdateGroup writes name, description, labels and what the group stands for
// elsewhere. The caller has locked it.
func UpdateGroup(tx *Tx, g *iam.Group) error {
	labels, err := labelsText(g.Labels)
	if err != nil {
		return err
	}
	if err := externalFree(tx, g); err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE groups SET name = $1, description = $2, labels = $3, subject_container_id = $4, external_id = $5 WHERE id = $6`,
		g.Name, g.Description, labels, g.SubjectContainerID, g.ExternalID, g.ID)
	tx.record(ChangeDetails, g.ID)
	return mustChange(n, groupNameTaken(tx, err, g), "Group", g.ID)
}

// MakeGroupsBasic makes every external group of a container an ordinary one
// and returns their ids.
func MakeGroupsBasic(tx *Tx, containerID string) ([]string, error) {
	// Whoever changes one of them holds it, and writes back all that he has read.
	err := tx.each(`SELECT id FROM resources WHERE id IN (SELECT id FROM groups WHERE subject_container_id = $1)
		ORDER BY id`+tx.db.engine.RowLock(), []any{containerID}, func(Rows) error { return nil })
	if err != nil {
		return nil, err
	}
	ids, err := collect(tx, scanString, `UPDATE groups SET subject_container_id = '', external_id = ''
		WHERE subject_container_id = $1 AND subject_container_id <> '' RETURNING id`, containerID)
	for _, id := range ids {
		tx.record(ChangeDetails, id)
	}
	return ids, err
}

// DeleteGroup deletes a group with its members' places in it, its bindings
// wherever they are, and those on it.
func DeleteGroup(tx *Tx, id string) error {
	if err := holdOwned(tx, "($1)", id); err != nil {
		return err
	}
	if _, err := lockLive(tx, "Group", resource.Ref{Kind: resource.Group, ID: id}); err != nil {
		return err
	}
	if err := buryResource(tx, id); err != nil {
		return err
	}
	members, err := collect(tx, scanString, `DELETE FROM group_members WHERE group_id = $1 RETURNING subject_id`, id)
	if err != nil {
		return err
	}
	for _, member := range members {
		tx.record(ChangeGroups, member)
	}
	if err := removeSubject(tx, iam.SubjectID(id)); err != nil {
		return err
	}
	if err := removeBindingsOn(tx, id); err != nil {
		return err
	}
	_, err = tx.exec(`DELETE FROM groups WHERE id = $1`, id)
	return err
}

// ListGroups returns a page of an organization's groups.
func ListGroups(tx *Tx, organizationID string, p Page) ([]*iam.Group, error) {
	return listPage(tx, p, scanGroup, `SELECT `+groupColumns+` FROM groups WHERE organization_id = $1`, organizationID)
}

// ListExternalGroups returns a page of a container's groups; id, when not "",
// leaves that one alone.
func ListExternalGroups(tx *Tx, containerID, id string, p Page) ([]*iam.Group, error) {
	query, args := `SELECT `+groupColumns+` FROM groups WHERE subject_container_id = $1 AND subject_container_id <> ''`, []any{containerID}
	if id != "" {
		args = append(args, id)
		query += ` AND id = ` + placeholder(args)
	}
	return listPage(tx, p, scanGroup, query, args...)
}

// externalFree refuses a second group for the same thing elsewhere. The unique
// index does so as well; this tells it from a name that is taken.
func externalFree(tx *Tx, g *iam.Group) error {
	if g.SubjectContainerID == "" {
		return nil
	}
	taken, err := tx.one(`SELECT 1 FROM groups WHERE subject_container_id = $1 AND external_id = $2
		AND subject_container_id <> '' AND id <> $3`, []any{g.SubjectContainerID, g.ExternalID, g.ID}, new(int64))
	if err == nil && taken {
		return iam.Errorf(iam.AlreadyExists, "Group with external id %s already exists in subject container %s", g.ExternalID, g.SubjectContainerID)
	}
	return err
}

func groupNameTaken(tx *Tx, err error, g *iam.Group) error {
	return tx.unlessTaken(err, "Group with name %s already exists in organization %s", g.Name, g.OrganizationID)
}

func scanGroup(r Rows) (*iam.Group, error) {
	var g iam.Group
	err := r.Scan(&g.ID, &g.OrganizationID, &g.Name, &g.Description, asLabels(&g.Labels), &g.SubjectContainerID, &g.ExternalID, asTime(&g.CreatedAt))
	return &g, err
}
