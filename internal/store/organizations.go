package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const organizationColumns = `id, name, title, description, labels, created_at`

// InsertOrganization adds a root of the tree.
func InsertOrganization(tx *Tx, o *iam.Organization) error {
	labels, err := labelsText(o.Labels)
	if err != nil {
		return err
	}
	if err := insertResource(tx, resource.Ref{Kind: resource.Organization, ID: o.ID}, "", o.ID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO organizations (`+organizationColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		o.ID, o.Name, o.Title, o.Description, labels, micros(o.CreatedAt))
	return err
}

// GetOrganization returns an organization by id.
func GetOrganization(tx *Tx, id string) (*iam.Organization, error) {
	return first(tx, "Organization", id, scanOrganization,
		`SELECT `+organizationColumns+` FROM organizations WHERE id = $1`, id)
}

// ListOrganizations returns a page of all organizations.
func ListOrganizations(tx *Tx, p Page) ([]*iam.Organization, error) {
	return listPage(tx, p, scanOrganization, `SELECT `+organizationColumns+` FROM organizations WHERE 1 = 1`)
}

// ListVisibleOrganizations returns a page of the organizations that carry a
// binding of one of the subjects. Whether the binding's role is enough is for
// the caller to check.
func ListVisibleOrganizations(tx *Tx, subjects []iam.SubjectID, p Page) ([]*iam.Organization, error) {
	list, args := in(nil, subjects)
	return listPage(tx, p, scanOrganization, `SELECT `+organizationColumns+` FROM organizations WHERE id IN
		(SELECT resource_id FROM access_bindings WHERE subject_id IN `+list+` AND resource_id = organization_id)`, args...)
}

// UpdateOrganization writes name, title, description and labels.
func UpdateOrganization(tx *Tx, o *iam.Organization) error {
	labels, err := labelsText(o.Labels)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE organizations SET name = $1, title = $2, description = $3, labels = $4 WHERE id = $5`,
		o.Name, o.Title, o.Description, labels, o.ID)
	tx.record(ChangeDetails, o.ID)
	return mustChange(n, err, "Organization", o.ID)
}

func scanOrganization(r Rows) (*iam.Organization, error) {
	var o iam.Organization
	err := r.Scan(&o.ID, &o.Name, &o.Title, &o.Description, asLabels(&o.Labels), asTime(&o.CreatedAt))
	return &o, err
}
