package store

import (
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// hold keeps a resource, live or deleted, as it is until the end of the Update;
// an id of no resource holds nothing.
func hold(tx *Tx, id string) (deleted bool, err error) {
	var flag int64
	_, err = tx.one(`SELECT CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END FROM resources WHERE id = $1`+tx.db.engine.RowLock(),
		[]any{id}, &flag)
	return flag == 1, err
}

// holdSubject keeps a subject that is a resource, as service accounts are, from
// being deleted until the end of the Update: where updates run side by side,
// what it is given would stay behind. One that is deleted already is not given
// anything; whether there is such a subject at all is for the caller to look.
// The resource that the subject gets something on is locked before it.
func holdSubject(tx *Tx, id iam.SubjectID) error {
	deleted, err := hold(tx, string(id))
	if err == nil && deleted {
		err = notFound("Subject", string(id))
	}
	return err
}

// KnownSubjects returns those of some subjects that can be given something in an
// organization: service accounts and people from anywhere, groups and the system
// group of the members of that organization alone. A root that is no
// organization has neither: there groups of any organization count. Who is known
// stays so until the end of the Update.
func KnownSubjects(tx *Tx, organizationID string, subjects []iam.Subject) (map[iam.Subject]bool, error) {
	var resources, people []string
	groups := false
	for _, s := range subjects {
		switch s.Type {
		case iam.TypeServiceAccount:
			resources = append(resources, string(s.ID))
		case iam.TypeGroup:
			resources, groups = append(resources, string(s.ID)), true
		case iam.TypeSystem:
			of, ok := iam.OrganizationOfUsers(s.ID)
			if groups = groups || ok; ok && of != organizationID { // its own need not be held: it does not go away
				resources = append(resources, of)
			}
		case iam.TypeUserAccount:
			people = append(people, string(s.ID))
		}
	}
	anywhere := false
	if groups {
		root, _, err := Resource(tx, organizationID)
		if err != nil {
			return nil, err
		}
		anywhere = root.Kind != resource.Organization
	}
	known := make(map[iam.Subject]bool, len(subjects)+1)
	known[iam.Subject{ID: iam.OrganizationUsers(organizationID), Type: iam.TypeSystem}] = groups && !anywhere
	err := eachOf(tx, `SELECT id, kind, organization_id FROM resources WHERE deleted_at IS NULL AND id IN `, resources, func(r Rows) error {
		var id, kind, organization string
		err := r.Scan(&id, &kind, &organization)
		ours := anywhere || organization == organizationID
		switch resource.Kind(kind) {
		case resource.ServiceAccount:
			known[iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}] = true
		case resource.Group:
			known[iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeGroup}] = ours
		case resource.Organization:
			known[iam.Subject{ID: iam.OrganizationUsers(id), Type: iam.TypeSystem}] = anywhere
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return known, eachOf(tx, `SELECT id FROM user_accounts WHERE id IN `, people, func(r Rows) error {
		id, err := scanSubjectID(r)
		known[iam.Subject{ID: id, Type: iam.TypeUserAccount}] = true
		return err
	})
}

// eachOf holds the rows with some ids, in the order of the ids, and hands them
// to scan. The query ends where the list of ids goes.
func eachOf(tx *Tx, query string, ids []string, scan func(Rows) error) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for some := range slices.Chunk(ids, atOnce) {
		list, args := in(nil, some)
		if err := tx.each(query+list+` ORDER BY id`+tx.db.engine.RowLock(), args, scan); err != nil {
			return err
		}
	}
	return nil
}
