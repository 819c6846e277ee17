package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Resource returns a live resource and what stands above it; the parent of a
// root is the zero Ref.
func Resource(tx *Tx, id string) (self, parent resource.Ref, err error) {
	var kind, parentKind, parentID string
	found, err := tx.one(`SELECT r.kind, COALESCE(p.kind, ''), COALESCE(p.id, '')
		FROM resources r LEFT JOIN resources p ON p.id = r.parent_id
		WHERE r.id = $1 AND r.deleted_at IS NULL`, []any{id}, &kind, &parentKind, &parentID)
	if err == nil && !found {
		err = notFound("Resource", id)
	}
	if err != nil {
		return resource.Ref{}, resource.Ref{}, err
	}
	self = resource.Ref{Kind: resource.Kind(kind), ID: id}
	return self, resource.Ref{Kind: resource.Kind(parentKind), ID: parentID}, nil
}

// Ancestors returns a live resource and all that stands above it, itself first,
// the organization last.
func Ancestors(tx *Tx, id string) ([]resource.Ref, error) {
	refs, err := collect(tx, scanRef, `WITH RECURSIVE up (id, kind, parent_id, depth) AS (
			SELECT id, kind, parent_id, 0 FROM resources WHERE id = $1 AND deleted_at IS NULL
			UNION ALL
			SELECT r.id, r.kind, r.parent_id, up.depth + 1 FROM up JOIN resources r ON r.id = up.parent_id
		) SELECT kind, id FROM up ORDER BY depth`, id)
	if err == nil && len(refs) == 0 {
		err = notFound("Resource", id)
	}
	return refs, err
}

// OrganizationOf returns the id of the organization that a live resource stands in.
func OrganizationOf(tx *Tx, id string) (string, error) {
	return first(tx, "Resource", id, scanString,
		`SELECT organization_id FROM resources WHERE id = $1 AND deleted_at IS NULL`, id)
}

// insertResource puts a resource below a live parent ("" for a root). The id of
// a deleted resource is never used again.
func insertResource(tx *Tx, self resource.Ref, parentID string) error {
	organizationID := self.ID
	var parent any
	if parentID != "" {
		var err error
		if organizationID, err = OrganizationOf(tx, parentID); err != nil {
			return err
		}
		parent = parentID
	}
	_, err := tx.exec(`INSERT INTO resources (id, kind, parent_id, organization_id) VALUES ($1, $2, $3, $4)`,
		self.ID, string(self.Kind), parent, organizationID)
	if err != nil {
		return tx.unlessTaken(err, "Id %s is already used", self.ID)
	}
	tx.record(ChangeResource, self.ID)
	return nil
}

// buryResource marks a resource as deleted and keeps its id for ever.
func buryResource(tx *Tx, id string) error {
	_, err := tx.exec(`UPDATE resources SET deleted_at = $1 WHERE id = $2`, micros(tx.now), id)
	tx.record(ChangeResource, id)
	return err
}

// mustLive checks that a parent exists and is of the right kind, with the text
// that its own Get would give.
func mustLive(tx *Tx, thing string, kind resource.Kind, id string) error {
	_, err := first(tx, thing, id, scanString,
		`SELECT id FROM resources WHERE id = $1 AND kind = $2 AND deleted_at IS NULL`, id, string(kind))
	return err
}

func scanRef(r Rows) (resource.Ref, error) {
	var kind, id string
	err := r.Scan(&kind, &id)
	return resource.Ref{Kind: resource.Kind(kind), ID: id}, err
}

// subjectsOf widens ids of service accounts to subjects.
func subjectsOf(ids []string) []iam.SubjectID {
	subjects := make([]iam.SubjectID, len(ids))
	for i, id := range ids {
		subjects[i] = iam.SubjectID(id)
	}
	return subjects
}
