package store

import (
	"fmt"

	"github.com/propusk/propusk/internal/resource"
)

// PolicyBinding is an access policy's template bound to an organization, cloud
// or folder.
type PolicyBinding struct {
	TemplateID string
	Parameters map[string]string // nil when the template takes none
}

// BindPolicy binds a template to a live resource. A resource carries a template
// once: the second time is ALREADY_EXISTS.
func BindPolicy(tx *Tx, resourceID string, b PolicyBinding) error {
	parameters, err := labelsText(b.Parameters)
	if err != nil {
		return err
	}
	if _, err := lockLive(tx, "Resource", resource.Ref{ID: resourceID}); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO access_policies (resource_id, template_id, parameters, created_at) VALUES ($1, $2, $3, $4)`,
		resourceID, b.TemplateID, parameters, micros(tx.now))
	tx.record(ChangeResource, resourceID)
	return tx.unlessTaken(err, "Access policy %s is already bound to %s", b.TemplateID, resourceID)
}

// UpdatePolicyParameters replaces the parameters of a bound template.
func UpdatePolicyParameters(tx *Tx, resourceID string, b PolicyBinding) error {
	parameters, err := labelsText(b.Parameters)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE access_policies SET parameters = $1 WHERE resource_id = $2 AND template_id = $3`,
		parameters, resourceID, b.TemplateID)
	tx.record(ChangeResource, resourceID)
	return mustChange(n, err, "Access policy", fmt.Sprintf("%s on %s", b.TemplateID, resourceID))
}

// UnbindPolicy takes a template off a resource.
func UnbindPolicy(tx *Tx, resourceID, templateID string) error {
	n, err := tx.exec(`DELETE FROM access_policies WHERE resource_id = $1 AND template_id = $2`, resourceID, templateID)
	tx.record(ChangeResource, resourceID)
	return mustChange(n, err, "Access policy", fmt.Sprintf("%s on %s", templateID, resourceID))
}

// ListPolicies returns the templates bound to a resource itself, ordered by id,
// after a given one, at most limit.
func ListPolicies(tx *Tx, resourceID, after string, limit int) ([]PolicyBinding, error) {
	if limit <= 0 {
		return nil, nil
	}
	return collect(tx, func(r Rows) (PolicyBinding, error) {
		var b PolicyBinding
		err := r.Scan(&b.TemplateID, asLabels(&b.Parameters))
		return b, err
	}, `SELECT template_id, parameters FROM access_policies
		WHERE resource_id = $1 AND template_id > $2 ORDER BY template_id LIMIT $3`, resourceID, after, limit)
}

// PoliciesOn returns the ids of the templates bound to each of the resources
// themselves, ordered; a resource without any is not in the map.
func PoliciesOn(tx *Tx, resourceIDs []string) (map[string][]string, error) {
	list, args := in(nil, resourceIDs)
	var out map[string][]string
	err := tx.each(`SELECT resource_id, template_id FROM access_policies
		WHERE resource_id IN `+list+` ORDER BY resource_id, template_id`, args, func(r Rows) error {
		var id, template string
		if err := r.Scan(&id, &template); err != nil {
			return err
		}
		if out == nil {
			out = make(map[string][]string)
		}
		out[id] = append(out[id], template)
		return nil
	})
	return out, err
}
