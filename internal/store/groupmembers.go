package store

import (
	"slices"
	"strconv"
	"strings"

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

// AddGroupMembers is AddGroupMember for many at once. The caller holds the
// subjects: see OrganizationSubjects.
func AddGroupMembers(tx *Tx, groupID string, subjects []iam.Subject) error {
	if len(subjects) == 0 {
		return nil
	}
	if _, err := lockLive(tx, "Group", resource.Ref{Kind: resource.Group, ID: groupID}); err != nil {
		return err
	}
	for some := range slices.Chunk(subjects, atOnce) {
		var b strings.Builder
		b.WriteString(`INSERT INTO group_members (group_id, created_at, subject_id, subject_type) VALUES `)
		args := []any{groupID, micros(tx.now)}
		for i := range padded(len(some)) {
			row := some[min(i, len(some)-1)]
			args = append(args, string(row.ID), string(row.Type))
			if i > 0 {
				b.WriteString(", ")
			}
			n := len(args)
			b.WriteString("($1, $2, $" + strconv.Itoa(n-1) + ", $" + strconv.Itoa(n) + ")")
		}
		b.WriteString(` ON CONFLICT (group_id, subject_id) DO NOTHING RETURNING subject_id`)
		added, err := collect(tx, scanString, b.String(), args...)
		if err != nil {
			return err
		}
		for _, id := range added {
			tx.record(ChangeGroups, id)
		}
	}
	return nil
}

// RemoveGroupMembers is RemoveGroupMember for many at once.
func RemoveGroupMembers(tx *Tx, groupID string, subjects []iam.SubjectID) error {
	for some := range slices.Chunk(subjects, atOnce) {
		list, args := in([]any{groupID}, some)
		gone, err := collect(tx, scanString, `DELETE FROM group_members WHERE group_id = $1 AND subject_id IN `+list+` RETURNING subject_id`, args...)
		if err != nil {
			return err
		}
		for _, id := range gone {
			tx.record(ChangeGroups, id)
		}
	}
	return nil
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

// OrganizationSubjects returns those of some ids that can be in groups of an
// organization: service accounts that stand below it, and people who are its
// members. Who is found stays until the end of the Update.
func OrganizationSubjects(tx *Tx, organizationID string, ids []iam.SubjectID) (map[iam.SubjectID]iam.Subject, error) {
	all, members := make([]string, len(ids)), []string(nil)
	for i, id := range ids {
		all[i] = string(id)
	}
	found := make(map[iam.SubjectID]iam.Subject, len(ids))
	err := eachOf(tx, `SELECT id, kind, organization_id FROM resources WHERE deleted_at IS NULL AND id IN `, all, func(r Rows) error {
		var id, kind, organization string
		err := r.Scan(&id, &kind, &organization)
		if resource.Kind(kind) == resource.ServiceAccount && organization == organizationID {
			found[iam.SubjectID(id)] = iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = eachOf(tx, `SELECT subject_id AS id, organization_id FROM organization_members WHERE subject_id IN `, all, func(r Rows) error {
		var id, organization string
		err := r.Scan(&id, &organization)
		if organization == organizationID {
			members = append(members, id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, eachOf(tx, `SELECT id FROM user_accounts WHERE id IN `, members, func(r Rows) error {
		id, err := scanSubjectID(r)
		found[id] = iam.Subject{ID: id, Type: iam.TypeUserAccount}
		return err
	})
}

func scanSubject(r Rows) (iam.Subject, error) {
	var id, kind string
	err := r.Scan(&id, &kind)
	return iam.Subject{ID: iam.SubjectID(id), Type: iam.SubjectType(kind)}, err
}
