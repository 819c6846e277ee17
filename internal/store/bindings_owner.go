package store

import (
	"cmp"
	"slices"

	"github.com/propusk/propusk/internal/iam"
)

// Ownership is a resource and the role of its owners.
type Ownership struct {
	ResourceID string
	Role       iam.RoleID
}

// Owned returns what a subject owns, itself or through a group, in an
// organization, or anywhere when that is "", ordered.
func Owned(tx *Tx, organizationID string, subject iam.SubjectID) ([]Ownership, error) {
	list, args := in([]any{string(subject)}, []iam.RoleID{iam.CloudOwner, iam.OrganizationOwner})
	where := ` AND b.role_id IN ` + list
	if organizationID != "" {
		args = append(args, organizationID)
		where += ` AND b.organization_id = ` + placeholder(args)
	}
	query := `SELECT b.resource_id, b.role_id FROM access_bindings b WHERE b.subject_id = $1` + where + `
		UNION SELECT b.resource_id, b.role_id FROM group_members m JOIN access_bindings b ON b.subject_id = m.group_id
			WHERE m.subject_id = $1` + where
	return collect(tx, func(r Rows) (Ownership, error) {
		var id, role string
		err := r.Scan(&id, &role)
		return Ownership{id, iam.RoleID(role)}, err
	}, query+` ORDER BY resource_id, role_id`, args...)
}

// ended notes a binding that is gone: for the feed, and when it was an owner's,
// for the end of the Update.
func (tx *Tx) ended(resourceID string, subject iam.SubjectID, role iam.RoleID) {
	tx.record(ChangeBinding, BindingKey(resourceID, subject))
	if !role.IsOwner() {
		return
	}
	if tx.lostOwner == nil {
		tx.lostOwner = make(map[Ownership]struct{})
	}
	tx.lostOwner[Ownership{resourceID, role}] = struct{}{}
}

// keepsOwners is the last thing that an Update does: whatever took an owner
// off a cloud or an organization, be it that the binding was removed or that
// the subject is no more, refuses when that was the last one, unless the
// resource went as well. One that is added in the same Update counts. A group
// counts as an owner as long as it exists.
func (tx *Tx) keepsOwners() error {
	if tx.failed != nil {
		return tx.failed
	}
	lost := make([]Ownership, 0, len(tx.lostOwner))
	for o := range tx.lostOwner {
		lost = append(lost, o)
	}
	slices.SortFunc(lost, func(a, b Ownership) int { return cmp.Compare(a.ResourceID, b.ResourceID) })
	for _, o := range lost {
		deleted, err := hold(tx, o.ResourceID)
		if err != nil {
			return err
		}
		if deleted {
			continue
		}
		has, err := hasBindingOf(tx, o)
		if err != nil {
			return err
		}
		if !has {
			thing := "Cloud"
			if o.Role == iam.OrganizationOwner {
				thing = "Organization"
			}
			return iam.Errorf(iam.FailedPrecondition, "%s %s must keep at least one %s", thing, o.ResourceID, o.Role)
		}
	}
	return nil
}

// holdOwned keeps the resources that some subjects own, before the subjects
// themselves are held: in the order in which AddBinding does it. subjects is a
// list or a query in brackets.
func holdOwned(tx *Tx, subjects string, args ...any) error {
	list, args := in(args, []iam.RoleID{iam.CloudOwner, iam.OrganizationOwner})
	owned, err := collect(tx, scanString, `SELECT DISTINCT resource_id FROM access_bindings
		WHERE subject_id IN `+subjects+` AND role_id IN `+list+` ORDER BY resource_id`, args...)
	if err != nil {
		return err
	}
	for _, id := range owned {
		if _, err := hold(tx, id); err != nil {
			return err
		}
	}
	return nil
}

func hasBindingOf(tx *Tx, o Ownership) (bool, error) {
	var one int64
	return tx.one(`SELECT 1 FROM access_bindings WHERE resource_id = $1 AND role_id = $2 LIMIT 1`, []any{o.ResourceID, string(o.Role)}, &one)
}
