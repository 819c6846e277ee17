package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const serviceAccountColumns = `id, folder_id, name, description, labels, status, suspend_reason, expires_at, created_at, last_authenticated_at`

// InsertServiceAccount adds an account to a live folder; its name must be free
// in the folder's whole cloud [API fact: ServiceAccount.name].
func InsertServiceAccount(tx *Tx, a *iam.ServiceAccount) error {
	labels, err := labelsText(a.Labels)
	if err != nil {
		return err
	}
	organizationID, err := lockLive(tx, "Folder", resource.Ref{Kind: resource.Folder, ID: a.FolderID})
	if err != nil {
		return err
	}
	if err := insertResource(tx, resource.Ref{Kind: resource.ServiceAccount, ID: a.ID}, a.FolderID, organizationID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO service_accounts (`+serviceAccountColumns+`, cloud_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT cloud_id FROM folders WHERE id = $2))`,
		a.ID, a.FolderID, a.Name, a.Description, labels, string(a.Status), a.SuspendReason,
		micros(a.ExpiresAt), micros(a.CreatedAt), micros(a.LastAuthenticatedAt))
	tx.record(ChangeServiceAccount, a.ID)
	return serviceAccountNameTaken(tx, err, a)
}

// GetServiceAccount returns an account by id.
func GetServiceAccount(tx *Tx, id string) (*iam.ServiceAccount, error) {
	return first(tx, "Service account", id, scanServiceAccount,
		`SELECT `+serviceAccountColumns+` FROM service_accounts WHERE id = $1`, id)
}

// UpdateServiceAccount writes name, description, labels and expiry; the status
// has SetServiceAccountStatus.
func UpdateServiceAccount(tx *Tx, a *iam.ServiceAccount) error {
	labels, err := labelsText(a.Labels)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE service_accounts SET name = $1, description = $2, labels = $3, expires_at = $4 WHERE id = $5`,
		a.Name, a.Description, labels, micros(a.ExpiresAt), a.ID)
	tx.record(ChangeServiceAccount, a.ID)
	return mustChange(n, serviceAccountNameTaken(tx, err, a), "Service account", a.ID)
}

// SetServiceAccountStatus writes the status and the reason for it.
func SetServiceAccountStatus(tx *Tx, id string, status iam.ServiceAccountStatus, reason string) error {
	n, err := tx.exec(`UPDATE service_accounts SET status = $1, suspend_reason = $2 WHERE id = $3`, string(status), reason, id)
	tx.record(ChangeServiceAccount, id)
	return mustChange(n, err, "Service account", id)
}

// DeleteServiceAccount deletes an account with its keys, its bindings wherever
// they are, those on it, and its memberships; see Deleted.
func DeleteServiceAccount(tx *Tx, id string) (*Deleted, error) {
	if _, err := GetServiceAccount(tx, id); err != nil {
		return nil, err
	}
	d := &Deleted{}
	return d, d.serviceAccount(tx, id)
}

// ListServiceAccounts returns a page of a folder's accounts.
func ListServiceAccounts(tx *Tx, folderID string, p Page) ([]*iam.ServiceAccount, error) {
	query := `SELECT ` + serviceAccountColumns + ` FROM service_accounts WHERE folder_id = $1`
	if p.Name != "" {
		// Names are indexed by cloud; without this line a name is sought through the whole folder.
		query += ` AND cloud_id = (SELECT cloud_id FROM folders WHERE id = $1)`
	}
	return listPage(tx, p, scanServiceAccount, query, folderID)
}

// TouchServiceAccounts notes when accounts last proved themselves. Times only
// go forward, unknown ids are passed over, and the feed does not tell of it.
func TouchServiceAccounts(tx *Tx, last map[string]time.Time) error {
	return touch(tx, "service_accounts", "last_authenticated_at", last)
}

func serviceAccountNameTaken(tx *Tx, err error, a *iam.ServiceAccount) error {
	return tx.unlessTaken(err, "Service account with name %s already exists in the cloud", a.Name)
}

func scanServiceAccount(r Rows) (*iam.ServiceAccount, error) {
	var a iam.ServiceAccount
	var status string
	err := r.Scan(&a.ID, &a.FolderID, &a.Name, &a.Description, asLabels(&a.Labels), &status, &a.SuspendReason,
		asTime(&a.ExpiresAt), asTime(&a.CreatedAt), asTime(&a.LastAuthenticatedAt))
	a.Status = iam.ServiceAccountStatus(status)
	return &a, err
}
