package store

import "github.com/propusk/propusk/internal/resource"

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

// LockResource holds a live resource until the end of the Update, so that no
// other Update adds to it, locks or deletes it meanwhile. Whoever counts what a
// resource holds before adding to it locks it first.
func LockResource(tx *Tx, id string) error {
	_, err := lockLive(tx, "Resource", resource.Ref{ID: id})
	return err
}

// lockLive holds a live resource, of a kind unless that is "", and returns its
// organization. The text of a miss is that of the thing's own Get.
func lockLive(tx *Tx, thing string, r resource.Ref) (organizationID string, err error) {
	query, args := `SELECT organization_id FROM resources WHERE id = $1 AND deleted_at IS NULL`, []any{r.ID}
	if r.Kind != "" {
		query += ` AND kind = $2`
		args = append(args, string(r.Kind))
	}
	return first(tx, thing, r.ID, scanString, query+tx.db.engine.RowLock(), args...)
}

// insertResource puts a resource into an organization, below a parent that the
// caller has locked; a root has no parent. The id of a deleted resource is never
// used again.
func insertResource(tx *Tx, self resource.Ref, parentID, organizationID string) error {
	var parent any
	if parentID != "" {
		parent = parentID
	}
	_, err := tx.exec(`INSERT INTO resources (id, kind, parent_id, organization_id) VALUES ($1, $2, $3, $4)`,
		self.ID, string(self.Kind), parent, organizationID)
	tx.record(ChangeResource, self.ID)
	return tx.unlessTaken(err, "Id %s is already used", self.ID)
}

// buryResource marks a resource as deleted and keeps its id for ever. It comes
// before what stands on the resource is deleted, so that nothing is added meanwhile.
func buryResource(tx *Tx, id string) error {
	_, err := tx.exec(`UPDATE resources SET deleted_at = $1 WHERE id = $2`, micros(tx.now), id)
	tx.record(ChangeResource, id)
	return err
}

func scanRef(r Rows) (resource.Ref, error) {
	var kind, id string
	err := r.Scan(&kind, &id)
	return resource.Ref{Kind: resource.Kind(kind), ID: id}, err
}
