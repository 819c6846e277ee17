package store

import (
	"errors"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const registeredColumns = `id, kind, parent_id, name, description, labels, created_at`

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
	_, err = tx.exec(`INSERT INTO registered_resources (`+registeredColumns+`, folder_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, r.Type, orNull(r.ParentID), r.Name, r.Description, labels, micros(r.CreatedAt), orNull(folderID))
	return err
}

// folderAbove is the folder that a resource is or stands below; "" when there
// is none, as below a root of its own.
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
// every binding on them, and returns the ids of what went, itself first.
func DeleteRegistered(tx *Tx, id string) ([]string, error) {
	if _, err := GetRegistered(tx, id); err != nil {
		return nil, err
	}
	if err := LockResource(tx, id); err != nil {
		return nil, err
	}
	// Children are locked by burying them, parents first, so that nothing is
	// added below one that is gone already.
	var gone []string
	level := []string{id}
	for len(level) > 0 {
		var next []string
		for _, r := range level {
			if err := buryResource(tx, r); err != nil {
				return nil, err
			}
			below, err := collect(tx, scanString, `SELECT id FROM registered_resources WHERE parent_id = $1 ORDER BY id`, r)
			if err != nil {
				return nil, err
			}
			next = append(next, below...)
		}
		gone = append(gone, level...)
		level = next
	}
	for _, r := range gone {
		if err := removeBindingsOn(tx, r); err != nil {
			return nil, err
		}
		if _, err := tx.exec(`DELETE FROM registered_resources WHERE id = $1`, r); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// registered deletes the resources of other services in a folder with a few
// statements, however many there are.
func (d *Deleted) registered(tx *Tx, folderID string) error {
	const those = `(SELECT id FROM registered_resources WHERE folder_id = $1)`
	if _, err := tx.exec(`UPDATE resources SET deleted_at = $2 WHERE id IN `+those, folderID, micros(tx.now)); err != nil {
		return err
	}
	err := tx.each(`DELETE FROM access_bindings WHERE resource_id IN `+those+` RETURNING resource_id, subject_id`, []any{folderID}, func(r Rows) error {
		var resourceID, subject string
		err := r.Scan(&resourceID, &subject)
		tx.record(ChangeBinding, BindingKey(resourceID, iam.SubjectID(subject)))
		return err
	})
	if err != nil {
		return err
	}
	ids, err := collect(tx, scanString, `DELETE FROM registered_resources WHERE folder_id = $1 RETURNING id`, folderID)
	for _, id := range ids {
		tx.record(ChangeResource, id)
	}
	return err
}

// IsRegistered tells whether a live resource is one of another service.
func IsRegistered(tx *Tx, id string) (bool, error) {
	_, err := GetRegistered(tx, id)
	if errors.Is(err, iam.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func scanRegistered(r Rows) (*iam.RegisteredResource, error) {
	var v iam.RegisteredResource
	var parent nullText
	err := r.Scan(&v.ID, &v.Type, &parent, &v.Name, &v.Description, asLabels(&v.Labels), asTime(&v.CreatedAt))
	v.ParentID = string(parent)
	return &v, err
}

// nullText scans a text that may be NULL, which reads as "".
type nullText string

// Scan implements sql.Scanner.
func (t *nullText) Scan(v any) error {
	*t = ""
	if s, ok := v.(string); ok {
		*t = nullText(s)
	}
	return nil
}
