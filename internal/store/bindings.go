package store

import (
	"slices"

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
	if err := HoldRoles(tx, b.Role); err != nil {
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

// OrganizationsBoundIn returns the organizations of which HasBindingIn is true,
// ordered by id.
func OrganizationsBoundIn(tx *Tx, subjects []iam.SubjectID) ([]string, error) {
	list, args := in(nil, subjects)
	return collect(tx, scanString, `SELECT DISTINCT organization_id FROM access_bindings WHERE subject_id IN `+list+` ORDER BY organization_id`, args...)
}

func scanBinding(r Rows) (iam.AccessBinding, error) {
	var role, id, kind string
	err := r.Scan(&role, &id, &kind)
	return iam.AccessBinding{
		Role:    iam.RoleID(role),
		Subject: iam.Subject{ID: iam.SubjectID(id), Type: iam.SubjectType(kind)},
	}, err
}

// Bound is what BoundRoles has read, at one position.
type Bound struct {
	Head iam.Position
	// Roles are those of a subject on a resource, ordered; pairs without any are
	// left out.
	Roles map[Pair][]iam.RoleID
	// Some holds the resources on which anything is bound, to whomever.
	Some map[string]bool
}

// Pair is a resource and a subject.
type Pair struct {
	ResourceID string
	Subject    iam.SubjectID
}

// BoundRoles returns what is bound to any of the subjects on any of the
// resources themselves, with one query. Both are at most a few thousand.
func BoundRoles(tx *Tx, resourceIDs []string, subjects []iam.SubjectID) (*Bound, error) {
	resources, args := in(nil, resourceIDs)
	holders, args := in(args, subjects)
	b := &Bound{Roles: map[Pair][]iam.RoleID{}, Some: map[string]bool{}}
	err := tx.each(`SELECT seq, '', '', '' FROM feed_head
		UNION ALL SELECT -1, r.id, '', '' FROM resources r
			WHERE r.id IN `+resources+` AND EXISTS (SELECT 1 FROM access_bindings b WHERE b.resource_id = r.id)
		UNION ALL SELECT -2, resource_id, subject_id, role_id FROM access_bindings
			WHERE resource_id IN `+resources+` AND subject_id IN `+holders, args, func(r Rows) error {
		var what int64
		var resourceID, subject, role string
		if err := r.Scan(&what, &resourceID, &subject, &role); err != nil {
			return err
		}
		switch what {
		case -1:
			b.Some[resourceID] = true
		case -2:
			p := Pair{resourceID, iam.SubjectID(subject)}
			b.Roles[p] = append(b.Roles[p], iam.RoleID(role))
		default:
			b.Head = iam.Position(what)
		}
		return nil
	})
	for _, roles := range b.Roles {
		slices.Sort(roles)
	}
	return b, err
}
