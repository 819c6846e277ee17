package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// SubjectBinding is a role of a subject and where it is bound.
type SubjectBinding struct {
	Resource resource.Ref
	Role     iam.RoleID
}

// ListSubjectBindings returns the roles bound to this very subject in an
// organization, ordered by resource id and role, after a given place (the zero
// one for the first page; its Resource.Kind is not looked at), at most limit.
func ListSubjectBindings(tx *Tx, organizationID string, subject iam.SubjectID, after SubjectBinding, limit int) ([]SubjectBinding, error) {
	if limit <= 0 {
		return nil, nil
	}
	return collect(tx, func(r Rows) (SubjectBinding, error) {
		var kind, id, role string
		err := r.Scan(&kind, &id, &role)
		return SubjectBinding{Resource: resource.Ref{Kind: resource.Kind(kind), ID: id}, Role: iam.RoleID(role)}, err
	}, `SELECT r.kind, b.resource_id, b.role_id FROM access_bindings b JOIN resources r ON r.id = b.resource_id
		WHERE b.subject_id = $1 AND b.organization_id = $2 AND (b.resource_id, b.role_id) > ($3, $4)
		ORDER BY b.resource_id, b.role_id LIMIT $5`,
		string(subject), organizationID, after.Resource.ID, string(after.Role), limit)
}
