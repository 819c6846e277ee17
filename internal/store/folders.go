package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const folderColumns = `id, cloud_id, name, description, labels, status, created_at`

// InsertFolder adds a folder to a live cloud; its name must be free there.
func InsertFolder(tx *Tx, f *iam.Folder) error {
	labels, err := labelsText(f.Labels)
	if err != nil {
		return err
	}
	organizationID, err := lockLive(tx, "Cloud", resource.Ref{Kind: resource.Cloud, ID: f.CloudID})
	if err != nil {
		return err
	}
	if err := insertResource(tx, resource.Ref{Kind: resource.Folder, ID: f.ID}, f.CloudID, organizationID); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO folders (`+folderColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		f.ID, f.CloudID, f.Name, f.Description, labels, string(f.Status), micros(f.CreatedAt))
	return folderNameTaken(tx, err, f)
}

// GetFolder returns a folder by id.
func GetFolder(tx *Tx, id string) (*iam.Folder, error) {
	return first(tx, "Folder", id, scanFolder, `SELECT `+folderColumns+` FROM folders WHERE id = $1`, id)
}

// HoldFolder is GetFolder in an Update that writes the folder back: until its
// end nobody else changes what it does not mean to change.
func HoldFolder(tx *Tx, id string) (*iam.Folder, error) {
	return first(tx, "Folder", id, scanFolder, `SELECT `+folderColumns+` FROM folders WHERE id = $1`+tx.db.engine.RowLock(), id)
}

// UpdateFolder writes name, description, labels and status.
func UpdateFolder(tx *Tx, f *iam.Folder) error {
	labels, err := labelsText(f.Labels)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE folders SET name = $1, description = $2, labels = $3, status = $4 WHERE id = $5`,
		f.Name, f.Description, labels, string(f.Status), f.ID)
	tx.record(ChangeDetails, f.ID)
	return mustChange(n, folderNameTaken(tx, err, f), "Folder", f.ID)
}

// DeleteFolder deletes a folder with everything below it; see Deleted.
func DeleteFolder(tx *Tx, id string) (*Deleted, error) {
	if _, err := GetFolder(tx, id); err != nil {
		return nil, err
	}
	d := &Deleted{}
	return d, d.folder(tx, id)
}

// ListFolders returns a page of a cloud's folders.
func ListFolders(tx *Tx, cloudID string, p Page) ([]*iam.Folder, error) {
	return listPage(tx, p, scanFolder, `SELECT `+folderColumns+` FROM folders WHERE cloud_id = $1`, cloudID)
}

func folderNameTaken(tx *Tx, err error, f *iam.Folder) error {
	return tx.unlessTaken(err, "Folder with name %s already exists in cloud %s", f.Name, f.CloudID)
}

func scanFolder(r Rows) (*iam.Folder, error) {
	var f iam.Folder
	var status string
	err := r.Scan(&f.ID, &f.CloudID, &f.Name, &f.Description, asLabels(&f.Labels), &status, asTime(&f.CreatedAt))
	f.Status = iam.FolderStatus(status)
	return &f, err
}
