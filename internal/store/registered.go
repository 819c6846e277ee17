package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const registeredColumns = `id, kind, COALESCE(parent_id, ''), name, description, labels, created_at`

// InsertRegistered adds a resource of another service below a live parent, or
// as a root. Whether its type may stand there is the caller's to know.
func InsertRegistered(tx *Tx, r *iam.RegisteredResource) error {
	labels, err := labelsText(r.Labels)
	if err != nil {
		return err
	}
	organizationID, folderID := r.ID, "" // a root is an organization of its own
	if r.ParentID != "" {
		if organizationID, err = lockLive(tx, "Resource", resource.Ref{ID: r.ParentID}); err != nil {
			return err
		}
		if folderID, err = folderAbove(tx, r.ParentID); err != nil {
			return err
		}
	}
	if err := insertResource(tx, resource.Ref{Kind: resource.Kind(r.Type), ID: r.ID}, r.ParentID, organizationID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO registered_resources (id, kind, parent_id, name, description, labels, created_at, folder_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, r.Type, orNull(r.ParentID), r.Name, r.Description, labels, micros(r.CreatedAt), orNull(folderID))
	return err
}

// folderAbove is the folder that a resource is or stands below, which never
// changes; "" when there is none, as below a root of its own.
func folderAbove(tx *Tx, id string) (string, error) {
	path, err := Ancestors(tx, id)
	if err != nil {
		return "", err
	}
	for _, r := range path {
		if r.Kind == resource.Folder {
			return r.ID, nil
		}
	}
	return "", nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// GetRegistered returns a resource of another service by id.
func GetRegistered(tx *Tx, id string) (*iam.RegisteredResource, error) {
	return first(tx, "Resource", id, scanRegistered, `SELECT `+registeredColumns+` FROM registered_resources WHERE id = $1`, id)
}

// ListRegistered returns a page of what stands right below a folder or a resource.
func ListRegistered(tx *Tx, parentID string, p Page) ([]*iam.RegisteredResource, error) {
	return listPage(tx, p, scanRegistered, `SELECT `+registeredColumns+` FROM registered_resources WHERE parent_id = $1`, parentID)
}

// UpdateRegistered writes name, description and labels.
func UpdateRegistered(tx *Tx, r *iam.RegisteredResource) error {
	labels, err := labelsText(r.Labels)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE registered_resources SET name = $1, description = $2, labels = $3 WHERE id = $4`,
		r.Name, r.Description, labels, r.ID)
	tx.record(ChangeDetails, r.ID)
	return mustChange(n, err, "Resource", r.ID)
}

// DeleteRegistered deletes a resource of another service with all below it and
// every binding on them. Their ids are never used again.
func DeleteRegistered(tx *Tx, id string) error {
	if _, err := GetRegistered(tx, id); err != nil {
		return err
	}
	if err := LockResource(tx, id); err != nil {
		return err
	}
	return removeRegistered(tx, `(WITH RECURSIVE down (id) AS (
			SELECT id FROM registered_resources WHERE id = $1
			UNION ALL
			SELECT r.id FROM down JOIN registered_resources r ON r.parent_id = down.id
		) SELECT id FROM down)`, id)
}

// registered deletes the resources of other services in a folder.
func (d *Deleted) registered(tx *Tx, folderID string) error {
	return removeRegistered(tx, `(SELECT id FROM registered_resources WHERE folder_id = $1)`, folderID)
}

// removeRegistered deletes resources of other services with a few statements,
// however many there are. those is a query in brackets with one argument.
func removeRegistered(tx *Tx, those, arg string) error {
	// Nothing is added below what is buried, so when a look finds nothing more,
	// nothing will come: a resource that was being added meanwhile is found by
	// the next look.
	for {
		gone, err := collect(tx, scanString,
			`UPDATE resources SET deleted_at = $2 WHERE deleted_at IS NULL AND id IN `+those+` RETURNING id`, arg, micros(tx.now))
		if err != nil {
			return err
		}
		for _, id := range gone {
			tx.record(ChangeResource, id)
		}
		if len(gone) == 0 {
			break
		}
	}
	if err := removeBindings(tx, `resource_id IN `+those, arg); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM registered_resources WHERE id IN `+those, arg)
	return err
}

func scanRegistered(r Rows) (*iam.RegisteredResource, error) {
	var v iam.RegisteredResource
	err := r.Scan(&v.ID, &v.Type, &v.ParentID, &v.Name, &v.Description, asLabels(&v.Labels), asTime(&v.CreatedAt))
	return &v, err
}
