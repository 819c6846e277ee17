package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// AddMember makes a subject a member of a live organization; false when it was
// one already.
func AddMember(tx *Tx, organizationID string, subject iam.SubjectID) (bool, error) {
	if _, err := lockLive(tx, "Organization", resource.Ref{Kind: resource.Organization, ID: organizationID}); err != nil {
		return false, err
	}
	if err := holdSubject(tx, subject); err != nil {
		return false, err
	}
	n, err := tx.exec(`INSERT INTO organization_members (organization_id, subject_id, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (organization_id, subject_id) DO NOTHING`, organizationID, string(subject), micros(tx.now))
	if err != nil || n == 0 {
		return false, err
	}
	tx.record(ChangeMember, string(subject))
	return true, nil
}

// Members returns the members of an organization after a given one ("" for the
// first page), ordered by id, at most limit.
func Members(tx *Tx, organizationID string, after iam.SubjectID, limit int) ([]iam.SubjectID, error) {
	if limit <= 0 {
		return nil, nil
	}
	return collect(tx, scanSubjectID, `SELECT subject_id FROM organization_members
		WHERE organization_id = $1 AND subject_id > $2 ORDER BY subject_id LIMIT $3`, organizationID, string(after), limit)
}

// OrganizationsOf returns the organizations that a subject is a member of, ordered.
func OrganizationsOf(tx *Tx, subject iam.SubjectID) ([]string, error) {
	return collect(tx, scanString, `SELECT organization_id FROM organization_members WHERE subject_id = $1 ORDER BY organization_id`, string(subject))
}
