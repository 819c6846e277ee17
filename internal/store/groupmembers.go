package store

import (
	"errors"
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// AddGroupMember puts a subject into a live group; false when it was in it
// already.
func AddGroupMember(tx *Tx, groupID string, subject iam.Subject) (bool, error) {
	if _, err := lockLive(tx, "Group", resource.Ref{Kind: resource.Group, ID: groupID}); err != nil {
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

// ListGroupMembers returns the members of a group after a given one ("" for the
// first page), ordered by id, at most limit.
func ListGroupMembers(tx *Tx, groupID string, after iam.SubjectID, limit int) ([]iam.Subject, error) {
	if limit <= 0 {
		return nil, nil
	}
	return collect(tx, scanSubject, `SELECT subject_id, subject_type FROM group_members
		WHERE group_id = $1 AND subject_id > $2 ORDER BY subject_id LIMIT $3`, groupID, string(after), limit)
}

// GroupMembersAmong returns those of some subjects that are in a group.
func GroupMembersAmong(tx *Tx, groupID string, subjects []iam.SubjectID) (map[iam.SubjectID]bool, error) {
	found := make(map[iam.SubjectID]bool)
	for some := range slices.Chunk(subjects, atOnce) {
		list, args := in([]any{groupID}, some)
		err := tx.each(`SELECT subject_id FROM group_members WHERE group_id = $1 AND subject_id IN `+list, args, func(r Rows) error {
			id, err := scanSubjectID(r)
			found[id] = true
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// GroupsOf returns the groups that a subject is in, ordered by id.
func GroupsOf(tx *Tx, subject iam.SubjectID) ([]iam.SubjectID, error) {
	return collect(tx, scanSubjectID, `SELECT group_id FROM group_members WHERE subject_id = $1 ORDER BY group_id`, string(subject))
}

// ListGroupsOf returns a page of the groups that a subject is in, of one
// organization unless that is "".
func ListGroupsOf(tx *Tx, subject iam.SubjectID, organizationID string, p Page) ([]*iam.Group, error) {
	query, args := `SELECT `+groupColumns+` FROM groups WHERE id IN (SELECT group_id FROM group_members WHERE subject_id = $1)`, []any{string(subject)}
	if organizationID != "" {
		args = append(args, organizationID)
		query += ` AND organization_id = ` + placeholder(args)
	}
	return listPage(tx, p, scanGroup, query, args...)
}

// FindOrganizationSubject returns a subject that can be in groups of an
// organization: a service account that stands below it, or a person who is its
// member. Who is found stays until the end of the Update; the others, and who
// is nobody, are the same miss.
func FindOrganizationSubject(tx *Tx, organizationID string, id iam.SubjectID) (iam.Subject, error) {
	own, err := tx.one(`SELECT 1 FROM resources WHERE id = $1 AND kind = $2 AND organization_id = $3 AND deleted_at IS NULL`+
		tx.db.engine.RowLock(), []any{string(id), string(resource.ServiceAccount), organizationID}, new(int64))
	if err != nil || own {
		return iam.Subject{ID: id, Type: iam.TypeServiceAccount}, err
	}
	member, err := tx.one(`SELECT 1 FROM organization_members WHERE organization_id = $1 AND subject_id = $2`+
		tx.db.engine.RowLock(), []any{organizationID, string(id)}, new(int64))
	if err == nil && !member {
		err = notFound("Subject", string(id))
	}
	if err != nil {
		return iam.Subject{}, err
	}
	if _, err := GetUserAccount(tx, string(id)); errors.Is(err, iam.NotFound) {
		return iam.Subject{}, notFound("Subject", string(id))
	} else if err != nil {
		return iam.Subject{}, err
	}
	return iam.Subject{ID: id, Type: iam.TypeUserAccount}, nil
}

func scanSubject(r Rows) (iam.Subject, error) {
	var id, kind string
	err := r.Scan(&id, &kind)
	return iam.Subject{ID: iam.SubjectID(id), Type: iam.SubjectType(kind)}, err
}
