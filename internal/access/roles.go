package access

import "github.com/propusk/propusk/internal/iam"

// ParseRoles reads a file of definitions for its roles alone.
func ParseRoles(file []byte) ([]iam.Role, error) {
	d, err := ParseDefinitions("roles", file)
	return d.Roles, err
}

// NewCatalogue compiles roles alone.
func NewCatalogue(roles []iam.Role) (*Catalogue, error) { return Compile(Definitions{Roles: roles}) }
