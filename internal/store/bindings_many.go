package store

import (
	"slices"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// atOnce is how many rows one statement takes: each more is another parameter
// to prepare, each fewer another statement to run.
const atOnce = 64

// FindBindings returns the bindings that some subjects have on this very
// resource, ordered by subject id and role.
func FindBindings(tx *Tx, resourceID string, subjects []iam.SubjectID) ([]iam.AccessBinding, error) {
	subjects = slices.Compact(slices.Sorted(slices.Values(subjects)))
	var all []iam.AccessBinding
	for some := range slices.Chunk(subjects, atOnce) {
		list, args := in([]any{resourceID}, some)
		rows, err := collect(tx, scanBinding, `SELECT role_id, subject_id, subject_type FROM access_bindings
			WHERE resource_id = $1 AND subject_id IN `+list+` ORDER BY subject_id, role_id`, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// AddBindings is AddBinding for many at once. The caller holds the subjects:
// see KnownSubjects.
func AddBindings(tx *Tx, resourceID string, bindings []iam.AccessBinding) error {
	if len(bindings) == 0 {
		return nil
	}
	organizationID, err := lockLive(tx, "Resource", resource.Ref{ID: resourceID})
	if err != nil {
		return err
	}
	roles := make([]iam.RoleID, len(bindings))
	for i, b := range bindings {
		roles[i] = b.Role
	}
	if err := HoldRoles(tx, roles...); err != nil {
		return err
	}
	for some := range slices.Chunk(bindings, atOnce) {
		var b strings.Builder
		b.WriteString(`INSERT INTO access_bindings (resource_id, organization_id, created_at, subject_id, role_id, subject_type) VALUES `)
		args := []any{resourceID, organizationID, micros(tx.now)}
		for i := range padded(len(some)) {
			row := some[min(i, len(some)-1)]
			args = append(args, string(row.Subject.ID), string(row.Role), string(row.Subject.Type))
			if i > 0 {
				b.WriteString(", ")
			}
			n := len(args)
			b.WriteString("($1, $2, $3, $" + strconv.Itoa(n-2) + ", $" + strconv.Itoa(n-1) + ", $" + strconv.Itoa(n) + ")")
		}
		b.WriteString(` ON CONFLICT (resource_id, subject_id, role_id) DO NOTHING RETURNING subject_id`)
		added, err := collect(tx, scanSubjectID, b.String(), args...)
		if err != nil {
			return err
		}
		for _, subject := range added {
			tx.record(ChangeBinding, BindingKey(resourceID, subject))
		}
	}
	return nil
}

// RemoveBindings is RemoveBinding for many at once.
func RemoveBindings(tx *Tx, resourceID string, bindings []iam.AccessBinding) error {
	if len(bindings) == 0 {
		return nil
	}
	if _, err := hold(tx, resourceID); err != nil {
		return err
	}
	of := map[iam.RoleID][]iam.SubjectID{}
	var roles []iam.RoleID
	for _, b := range bindings {
		if of[b.Role] == nil {
			roles = append(roles, b.Role)
		}
		of[b.Role] = append(of[b.Role], b.Subject.ID)
	}
	for _, role := range roles {
		for some := range slices.Chunk(of[role], atOnce) {
			list, args := in([]any{resourceID, string(role)}, some)
			if err := removeBindings(tx, `resource_id = $1 AND role_id = $2 AND subject_id IN `+list, args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// padded is the next power of two: so many rows a statement is made for, that
// few texts of it exist.
func padded(n int) int {
	size := 1
	for size < n {
		size *= 2
	}
	return size
}
