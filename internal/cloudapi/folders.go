package cloudapi

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// FolderAccepts says why nothing can be made in a folder: it is gone, or on
// its way out.
func FolderAccepts(tx *store.Tx, id string) error {
	f, err := store.GetFolder(tx, id)
	if err != nil {
		return err
	}
	if f.Status != iam.FolderActive {
		return iam.Errorf(iam.FailedPrecondition, "Folder %s is being deleted", id)
	}
	return nil
}
