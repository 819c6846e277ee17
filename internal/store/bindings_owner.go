package store

import "github.com/propusk/propusk/internal/iam"

// HasBindingOf says whether anybody has a role on this very resource.
func HasBindingOf(tx *Tx, resourceID string, role iam.RoleID) (bool, error) {
	var one int64
	return tx.one(`SELECT 1 FROM access_bindings WHERE resource_id = $1 AND role_id = $2 LIMIT 1`, []any{resourceID, string(role)}, &one)
}
