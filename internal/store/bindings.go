package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// AddBinding gives a role to a subject on a live resource; false when it was
// there already.
func AddBinding(tx *Tx, resourceID string, b iam.AccessBinding) (bool, error) {
	organizationID, err := lockLive(tx, "Resource", resource.Ref{ID: resourceID})
	if err != nil {
		return false, err
	}
	if err := holdSubject(tx, b.Subject.ID); err != nil {
		return false, err
	}
	n, err := tx.exec(`INSERT INTO access_bindings (resource_id, subject_id, role_id, subject_type, organization_id, created_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (resource_id, subject_id, role_id) DO NOTHING`,
		resourceID, string(b.Subject.ID), string(b.Role), string(b.Subject.Type), organizationID, micros(tx.now))
	if err != nil || n == 0 {
		return false, err
	}
	tx.record(ChangeBinding, BindingKey(resourceID, b.Subject.ID))
	return true, nil
}

// RemoveBinding takes a role of a subject off a resource; false when it was not
// there. The subject's type is not looked at: ids are unique among all types.
func RemoveBinding(tx *Tx, resourceID string, b iam.AccessBinding) (bool, error) {
	if _, err := hold(tx, resourceID); err != nil {
		return false, err
	}
	n, err := tx.exec(`DELETE FROM access_bindings WHERE resource_id = $1 AND subject_id = $2 AND role_id = $3`,
		resourceID, string(b.Subject.ID), string(b.Role))
	if err != nil || n == 0 {
		return false, err
	}
	tx.ended(resourceID, b.Subject.ID, b.Role)
	return true, nil
}

// ListBindings returns the bindings on a resource, ordered by subject id and
// role, after a given one (the zero binding for the first page), at most limit.
func ListBindings(tx *Tx, resourceID string, after iam.AccessBinding, limit int) ([]iam.AccessBinding, error) {
	if limit <= 0 {
		return nil, nil
	}
	return collect(tx, scanBinding, `SELECT role_id, subject_id, subject_type FROM access_bindings
		WHERE resource_id = $1 AND (subject_id, role_id) > ($2, $3) ORDER BY subject_id, role_id LIMIT $4`,
		resourceID, string(after.Subject.ID), string(after.Role), limit)
}

// RolesOf returns the roles that a subject has on this very resource, ordered.
func RolesOf(tx *Tx, resourceID string, subject iam.SubjectID) ([]iam.RoleID, error) {
	return collect(tx, func(r Rows) (iam.RoleID, error) {
		s, err := scanString(r)
		return iam.RoleID(s), err
	}, `SELECT role_id FROM access_bindings WHERE resource_id = $1 AND subject_id = $2 ORDER BY role_id`, resourceID, string(subject))
}

// HasBindingIn says whether one of the subjects has any role on anything in an
// organization, itself included.
func HasBindingIn(tx *Tx, organizationID string, subjects []iam.SubjectID) (bool, error) {
	list, args := in([]any{organizationID}, subjects)
	var one int64
	return tx.one(`SELECT 1 FROM access_bindings WHERE organization_id = $1 AND subject_id IN `+list+` LIMIT 1`, args, &one)
}

func scanBinding(r Rows) (iam.AccessBinding, error) {
	var role, id, kind string
	err := r.Scan(&role, &id, &kind)
	return iam.AccessBinding{
		Role:    iam.RoleID(role),
		Subject: iam.Subject{ID: iam.SubjectID(id), Type: iam.SubjectType(kind)},
	}, err
}
