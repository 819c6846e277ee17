package access

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/propusk/propusk/internal/iam"
)

//go:embed roles.yaml
var builtin []byte

// Limits on ids [API fact: role_id ≤ 64, permission ≤ 128 characters].
const (
	maxRoleID     = 64
	maxPermission = 128
)

var (
	roleID     = regexp.MustCompile(`^[a-z][-a-z0-9]*(\.[a-zA-Z][-a-zA-Z0-9]*){0,2}$`)
	permission = regexp.MustCompile(`^[a-z][-a-z0-9]*\.[a-z][a-zA-Z0-9]*\.[a-z][a-zA-Z0-9]*$`)
)

type roleFile struct {
	Roles []struct {
		ID          iam.RoleID       `yaml:"id"`
		Description string           `yaml:"description"`
		Includes    []iam.RoleID     `yaml:"includes"`
		Permissions []iam.Permission `yaml:"permissions"`
	} `yaml:"roles"`
}

// ParseRoles reads a file of roles: one YAML document with a list "roles" of
// id, description, includes and permissions. Keys that it does not know, a
// second document and ids that break the grammar are refused; whether included
// roles exist is asked by NewCatalogue, which may join several files. All
// problems come back in one error.
func ParseRoles(file []byte) ([]iam.Role, error) {
	dec := yaml.NewDecoder(bytes.NewReader(file))
	dec.KnownFields(true)
	var f roleFile
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("roles: one document is expected, there are more")
	}
	roles := make([]iam.Role, 0, len(f.Roles))
	var errs []error
	for _, r := range f.Roles {
		role := iam.Role{ID: r.ID, Description: r.Description, Includes: r.Includes, Permissions: r.Permissions}
		errs = append(errs, checkRole(role))
		roles = append(roles, role)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return roles, nil
}

func checkRole(r iam.Role) error {
	if len(r.ID) > maxRoleID || !roleID.MatchString(string(r.ID)) {
		return fmt.Errorf("role %q: the id must look like service.role or service.collection.role, at most %d characters", r.ID, maxRoleID)
	}
	var errs []error
	if r.Description == "" {
		errs = append(errs, fmt.Errorf("role %s: has no description", r.ID))
	}
	seen := map[string]bool{}
	for _, p := range r.Permissions {
		if len(p) > maxPermission || !permission.MatchString(string(p)) {
			errs = append(errs, fmt.Errorf("role %s: permission %q must look like service.collection.verb, at most %d characters", r.ID, p, maxPermission))
		}
		if seen[string(p)] {
			errs = append(errs, fmt.Errorf("role %s: lists permission %s twice", r.ID, p))
		}
		seen[string(p)] = true
	}
	for _, i := range r.Includes {
		if seen[string(i)] {
			errs = append(errs, fmt.Errorf("role %s: includes %s twice", r.ID, i))
		}
		seen[string(i)] = true
	}
	return errors.Join(errs...)
}
