package store

import (
	"slices"

	"github.com/propusk/propusk/internal/iam"
)

// Deleted tells what went with a deleted resource, itself included, so that the caller can end
// the tokens that rest on it. Everything below the resource goes, the bindings
// on all of that, and the bindings and memberships, anywhere, of the accounts
// among it. The ids of resources are never used again.
type Deleted struct {
	Clouds          []string
	Folders         []string
	ServiceAccounts []string
	Keys            []string
}

func (d *Deleted) folder(tx *Tx, id string) error {
	if err := buryResource(tx, id); err != nil {
		return err
	}
	if err := holdOwned(tx, accountsOfFolder, id); err != nil {
		return err
	}
	if err := d.accounts(tx, id); err != nil {
		return err
	}
	if err := d.registered(tx, id); err != nil {
		return err
	}
	if _, err := removeOAuthClients(tx, `folder_id = $1`, id); err != nil {
		return err
	}
	if err := removeSettings(tx, id); err != nil {
		return err
	}
	if err := removeBindingsOn(tx, id); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM folders WHERE id = $1`, id); err != nil {
		return err
	}
	d.Folders = append(d.Folders, id)
	return nil
}

const accountsOfFolder = `(SELECT id FROM service_accounts WHERE folder_id = $1)`

// accounts deletes all accounts of a folder with a few statements, however many
// there are: one for each would hold the writer for longer than others wait.
func (d *Deleted) accounts(tx *Tx, folderID string) error {
	const those = accountsOfFolder
	if _, err := tx.exec(`UPDATE resources SET deleted_at = $2 WHERE id IN `+those, folderID, micros(tx.now)); err != nil {
		return err
	}
	keys, err := collect(tx, scanString, `DELETE FROM authorized_keys WHERE service_account_id IN `+those+` RETURNING id`, folderID)
	if err != nil {
		return err
	}
	tx.recordAll(ChangeKey, keys)
	if _, err := removeAPIKeys(tx, `service_account_id IN `+those, folderID); err != nil {
		return err
	}
	if _, err := removeAccessKeys(tx, `service_account_id IN `+those, folderID); err != nil {
		return err
	}
	for _, column := range [...]string{"subject_id", "resource_id"} {
		if err := removeBindings(tx, column+` IN `+those, folderID); err != nil {
			return err
		}
	}
	for _, of := range [...]struct {
		table  string
		change ChangeKind
	}{{"group_members", ChangeGroups}, {"organization_members", ChangeMember}} {
		subjects, err := collect(tx, scanString, `DELETE FROM `+of.table+` WHERE subject_id IN `+those+` RETURNING subject_id`, folderID)
		if err != nil {
			return err
		}
		for _, subject := range subjects {
			tx.record(of.change, subject)
		}
	}
	if _, err := tx.exec(`DELETE FROM service_agents WHERE service_account_id IN `+those, folderID); err != nil {
		return err
	}
	accounts, err := collect(tx, scanString, `DELETE FROM service_accounts WHERE folder_id = $1 RETURNING id`, folderID)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		tx.record(ChangeResource, account)
		tx.record(ChangeServiceAccount, account)
	}
	slices.Sort(keys)
	slices.Sort(accounts)
	d.Keys = append(d.Keys, keys...)
	d.ServiceAccounts = append(d.ServiceAccounts, accounts...)
	return nil
}

func (d *Deleted) serviceAccount(tx *Tx, id string) error {
	if err := holdOwned(tx, "($1)", id); err != nil {
		return err
	}
	if err := buryResource(tx, id); err != nil {
		return err
	}
	keys, err := collect(tx, scanString, `DELETE FROM authorized_keys WHERE service_account_id = $1 RETURNING id`, id)
	if err != nil {
		return err
	}
	tx.recordAll(ChangeKey, keys)
	if _, err := removeAPIKeys(tx, `service_account_id = $1`, id); err != nil {
		return err
	}
	if _, err := removeAccessKeys(tx, `service_account_id = $1`, id); err != nil {
		return err
	}
	d.Keys = append(d.Keys, keys...)
	if err := removeSubject(tx, iam.SubjectID(id)); err != nil {
		return err
	}
	if err := removeBindingsOn(tx, id); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM service_accounts WHERE id = $1`, id); err != nil {
		return err
	}
	tx.record(ChangeServiceAccount, id)
	d.ServiceAccounts = append(d.ServiceAccounts, id)
	return nil
}

// removeSubject takes a subject out of every binding, group and organization.
func removeSubject(tx *Tx, subject iam.SubjectID) error {
	if err := removeBindings(tx, `subject_id = $1`, string(subject)); err != nil {
		return err
	}
	n, err := tx.exec(`DELETE FROM group_members WHERE subject_id = $1`, string(subject))
	if err != nil {
		return err
	}
	if n > 0 {
		tx.record(ChangeGroups, string(subject))
	}
	n, err = tx.exec(`DELETE FROM organization_members WHERE subject_id = $1`, string(subject))
	if n > 0 {
		tx.record(ChangeMember, string(subject))
	}
	if err != nil {
		return err
	}
	_, err = tx.exec(`DELETE FROM service_agents WHERE service_account_id = $1`, string(subject))
	return err
}

// removeBindingsOn takes every binding off a resource.
func removeBindingsOn(tx *Tx, resourceID string) error {
	return removeBindings(tx, `resource_id = $1`, resourceID)
}

// removeBindings takes away the bindings that a condition is true of.
func removeBindings(tx *Tx, where string, args ...any) error {
	return tx.each(`DELETE FROM access_bindings WHERE `+where+` RETURNING resource_id, subject_id, role_id`, args, func(r Rows) error {
		var resourceID, subject, role string
		err := r.Scan(&resourceID, &subject, &role)
		tx.ended(resourceID, iam.SubjectID(subject), iam.RoleID(role))
		return err
	})
}

// removeSettings deletes what is set on a cloud or folder itself: policies,
// limits, services that are enabled.
func removeSettings(tx *Tx, resourceID string) error {
	for _, table := range [...]string{"access_policies", "quota_limits", "quota_requests", "service_states", "service_agents"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE resource_id = $1`, resourceID); err != nil {
			return err
		}
	}
	return nil
}
