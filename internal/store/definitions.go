package store

import (
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// DefinitionKind is what a definition defines.
type DefinitionKind string

// The kinds of definition, in the order in which they are listed.
const (
	DefinesResourceType DefinitionKind = "resourceType"
	DefinesRole         DefinitionKind = "role"
	DefinesScope        DefinitionKind = "scope"
)

// Definition is a row of definitions: a role, a scope of API keys or a resource
// type that an operator imported. The body is whatever the importer writes.
type Definition struct {
	Kind           DefinitionKind
	ID             string // unique in its kind
	OrganizationID string // "" for everybody's
	Body           string
	ModifiedAt     time.Time
}

const definitionColumns = `kind, id, organization_id, body, modified_at`

// LockDefinitions holds all definitions until the end of the transaction, so
// that what is found out about them together stays true.
func LockDefinitions(tx *Tx) error { return SetSetting(tx, settingDefinitionsLock, "") }

const settingDefinitionsLock = "definitions-lock"

// PutDefinition writes a definition, over one of the same kind and id if that
// belongs to the same organization; otherwise it is ALREADY_EXISTS.
func PutDefinition(tx *Tx, d *Definition) error {
	n, err := tx.exec(`INSERT INTO definitions (`+definitionColumns+`) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, modified_at = excluded.modified_at
		WHERE definitions.organization_id = excluded.organization_id`,
		string(d.Kind), d.ID, d.OrganizationID, d.Body, micros(d.ModifiedAt))
	if err != nil {
		return err
	}
	if n == 0 {
		return iam.Errorf(iam.AlreadyExists, "%s %s is already defined elsewhere: an id belongs to everybody or to one organization", d.Kind, d.ID)
	}
	tx.record(ChangeDefinitions, "")
	return nil
}

// GetDefinition returns a definition.
func GetDefinition(tx *Tx, kind DefinitionKind, id string) (*Definition, error) {
	return first(tx, definitionThing[kind], id, scanDefinition,
		`SELECT `+definitionColumns+` FROM definitions WHERE kind = $1 AND id = $2`, string(kind), id)
}

// ListDefinitions returns all definitions, ordered by kind and id. They are as
// many as operators write, and are needed together.
func ListDefinitions(tx *Tx) ([]*Definition, error) {
	return collect(tx, scanDefinition, `SELECT `+definitionColumns+` FROM definitions ORDER BY kind, id`)
}

// DeleteDefinition removes a definition.
func DeleteDefinition(tx *Tx, kind DefinitionKind, id string) error {
	n, err := tx.exec(`DELETE FROM definitions WHERE kind = $1 AND id = $2`, string(kind), id)
	if err := mustChange(n, err, definitionThing[kind], id); err != nil {
		return err
	}
	tx.record(ChangeDefinitions, "")
	return nil
}

// CountBindingsOfRole counts where a role is bound. Together with
// DeleteDefinition it is exact when the row of the role is held: see HoldRoles.
func CountBindingsOfRole(tx *Tx, role iam.RoleID) (n int64, err error) {
	_, err = tx.one(`SELECT COUNT(*) FROM access_bindings WHERE role_id = $1`, []any{string(role)}, &n)
	return n, err
}

// HoldRoles keeps those roles that are imported from being deleted before the
// transaction ends. Whoever binds roles holds them.
func HoldRoles(tx *Tx, roles ...iam.RoleID) error {
	if len(roles) == 0 {
		return nil
	}
	roles = slices.Compact(slices.Sorted(slices.Values(roles)))
	list, args := in([]any{string(DefinesRole)}, roles)
	return tx.each(`SELECT id FROM definitions WHERE kind = $1 AND id IN `+list+` ORDER BY id`+tx.db.engine.RowLock(), args,
		func(r Rows) error { _, err := scanString(r); return err })
}

var definitionThing = map[DefinitionKind]string{DefinesRole: "Role", DefinesScope: "Scope", DefinesResourceType: "Resource type"}

func scanDefinition(r Rows) (*Definition, error) {
	var d Definition
	var kind string
	err := r.Scan(&kind, &d.ID, &d.OrganizationID, &d.Body, asTime(&d.ModifiedAt))
	d.Kind = DefinitionKind(kind)
	return &d, err
}

// CountResources counts the live resources of a kind, by looking at all there are.
func CountResources(tx *Tx, kind resource.Kind) (n int64, err error) {
	_, err = tx.one(`SELECT COUNT(*) FROM resources WHERE kind = $1 AND deleted_at IS NULL`, []any{string(kind)}, &n)
	return n, err
}
