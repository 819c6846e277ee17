package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const cloudColumns = `id, organization_id, name, description, labels, created_at`

// InsertCloud adds a cloud to a live organization. Names of clouds need not be
// unique [API fact: CloudService says nothing of it].
func InsertCloud(tx *Tx, c *iam.Cloud) error {
	labels, err := labelsText(c.Labels)
	if err != nil {
		return err
	}
	parent := resource.Ref{Kind: resource.Organization, ID: c.OrganizationID}
	if _, err := lockLive(tx, "Organization", parent); err != nil {
		return err
	}
	if err := insertResource(tx, resource.Ref{Kind: resource.Cloud, ID: c.ID}, parent.ID, parent.ID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO clouds (`+cloudColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.ID, c.OrganizationID, c.Name, c.Description, labels, micros(c.CreatedAt))
	return err
}

// GetCloud returns a cloud by id.
func GetCloud(tx *Tx, id string) (*iam.Cloud, error) {
	return first(tx, "Cloud", id, scanCloud, `SELECT `+cloudColumns+` FROM clouds WHERE id = $1`, id)
}

// HoldCloud is GetCloud in an Update that writes the cloud back: until its end
// nobody else changes what it does not mean to change.
func HoldCloud(tx *Tx, id string) (*iam.Cloud, error) {
	return first(tx, "Cloud", id, scanCloud, `SELECT `+cloudColumns+` FROM clouds WHERE id = $1`+tx.db.engine.RowLock(), id)
}

// UpdateCloud writes name, description and labels.
func UpdateCloud(tx *Tx, c *iam.Cloud) error {
	labels, err := labelsText(c.Labels)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE clouds SET name = $1, description = $2, labels = $3 WHERE id = $4`,
		c.Name, c.Description, labels, c.ID)
	tx.record(ChangeDetails, c.ID)
	return mustChange(n, err, "Cloud", c.ID)
}

// DeleteCloud deletes a cloud with everything below it; see Deleted.
func DeleteCloud(tx *Tx, id string) (*Deleted, error) {
	if _, err := GetCloud(tx, id); err != nil {
		return nil, err
	}
	if err := buryResource(tx, id); err != nil {
		return nil, err
	}
	d := &Deleted{Clouds: []string{id}}
	folders, err := collect(tx, scanString, `SELECT id FROM folders WHERE cloud_id = $1 ORDER BY id`, id)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if err := d.folder(tx, folder); err != nil {
			return nil, err
		}
	}
	if err := removeSettings(tx, id); err != nil {
		return nil, err
	}
	if err := removeBindingsOn(tx, id); err != nil {
		return nil, err
	}
	_, err = tx.exec(`DELETE FROM clouds WHERE id = $1`, id)
	return d, err
}

// ListCloudsOf returns a page of an organization's clouds.
func ListCloudsOf(tx *Tx, organizationID string, p Page) ([]*iam.Cloud, error) {
	return listPage(tx, p, scanCloud, `SELECT `+cloudColumns+` FROM clouds WHERE organization_id = $1`, organizationID)
}

// ListVisibleClouds returns a page of the clouds that carry a binding of one of
// the subjects, or whose organization carries one; organizationID "" means in
// any organization. Whether the binding's role is enough is for the caller to
// check.
func ListVisibleClouds(tx *Tx, subjects []iam.SubjectID, organizationID string, p Page) ([]*iam.Cloud, error) {
	list, args := in(nil, subjects)
	bound := `SELECT resource_id FROM access_bindings WHERE subject_id IN ` + list
	if organizationID != "" {
		// The narrower question goes into the inner query: asked outside, it makes
		// the engine walk all clouds of the organization for the few that are visible.
		args = append(args, organizationID)
		bound += ` AND organization_id = ` + placeholder(args)
		whole, err := tx.one(bound+` AND resource_id = `+placeholder(args)+` LIMIT 1`, args, new(string))
		if err != nil {
			return nil, err
		}
		if whole {
			return ListCloudsOf(tx, organizationID, p)
		}
	}
	return listPage(tx, p, scanCloud, `SELECT `+cloudColumns+` FROM clouds
		WHERE (id IN (`+bound+`) OR organization_id IN (`+bound+`))`, args...)
}

func scanCloud(r Rows) (*iam.Cloud, error) {
	var c iam.Cloud
	err := r.Scan(&c.ID, &c.OrganizationID, &c.Name, &c.Description, asLabels(&c.Labels), asTime(&c.CreatedAt))
	return &c, err
}
