package store

import "github.com/propusk/propusk/internal/resource"

// QuotaLimits returns the limits of a resource that differ from the defaults.
func QuotaLimits(tx *Tx, resourceID string) (map[string]int64, error) {
	out := make(map[string]int64)
	err := tx.each(`SELECT quota_id, value FROM quota_limits WHERE resource_id = $1`, []any{resourceID}, func(r Rows) error {
		var id string
		var value int64
		err := r.Scan(&id, &value)
		out[id] = value
		return err
	})
	return out, err
}

// QuotaLimit returns one limit of a resource when it differs from the default.
func QuotaLimit(tx *Tx, resourceID, quotaID string) (value int64, own bool, err error) {
	own, err = tx.one(`SELECT value FROM quota_limits WHERE resource_id = $1 AND quota_id = $2`, []any{resourceID, quotaID}, &value)
	return value, own, err
}

// SetQuotaLimit gives a live resource a limit of its own. Who counts against
// the limit holds the resource, as this does, so that it is in force with the commit.
func SetQuotaLimit(tx *Tx, resourceID, quotaID string, value int64) error {
	if _, err := lockLive(tx, "Resource", resource.Ref{ID: resourceID}); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO quota_limits (resource_id, quota_id, value) VALUES ($1, $2, $3)
		ON CONFLICT (resource_id, quota_id) DO UPDATE SET value = excluded.value`, resourceID, quotaID, value)
	tx.record(ChangeDetails, resourceID)
	return err
}

// count counts the rows of a query and stops at most.
func count(tx *Tx, most int, query string, args ...any) (int, error) {
	args = append(args, most)
	var n int64
	_, err := tx.one(`SELECT COUNT(*) FROM (`+query+` LIMIT `+placeholder(args)+`) AS bounded`, args, &n)
	return int(n), err
}

// CountServiceAccounts counts the accounts of a cloud, up to most.
func CountServiceAccounts(tx *Tx, cloudID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM service_accounts WHERE cloud_id = $1`, cloudID)
}

// CountKeys counts the authorized keys of a cloud's accounts, up to most.
func CountKeys(tx *Tx, cloudID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM service_accounts a JOIN authorized_keys k ON k.service_account_id = a.id
		WHERE a.cloud_id = $1`, cloudID)
}

// CountFolders counts the folders of a cloud, up to most.
func CountFolders(tx *Tx, cloudID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM folders WHERE cloud_id = $1`, cloudID)
}

// CountClouds counts the clouds of an organization, up to most.
func CountClouds(tx *Tx, organizationID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM clouds WHERE organization_id = $1`, organizationID)
}

// CountGroups counts the groups of an organization, up to most.
func CountGroups(tx *Tx, organizationID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM groups WHERE organization_id = $1`, organizationID)
}

// CountMembers counts the members of an organization, up to most.
func CountMembers(tx *Tx, organizationID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM organization_members WHERE organization_id = $1`, organizationID)
}

// CountBindings counts the bindings on everything in an organization, up to most.
func CountBindings(tx *Tx, organizationID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM access_bindings WHERE organization_id = $1`, organizationID)
}

// CountGroupMembers counts the members of a group, up to most.
func CountGroupMembers(tx *Tx, groupID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM group_members WHERE group_id = $1`, groupID)
}

// CountGroupsOf counts the groups of an organization that a subject is in, up to most.
func CountGroupsOf(tx *Tx, organizationID, subjectID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM group_members m JOIN groups g ON g.id = m.group_id
		WHERE m.subject_id = $1 AND g.organization_id = $2`, subjectID, organizationID)
}
