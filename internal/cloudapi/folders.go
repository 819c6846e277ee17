package cloudapi

import (
	"errors"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// FolderAccepts says why nothing can be made in a folder: it is gone, or on
// its way out. The folder stays as it is until the transaction ends.
func FolderAccepts(tx *store.Tx, id string) error {
	if err := store.LockResource(tx, id); err != nil && !errors.Is(err, iam.NotFound) {
		return err
	}
	f, err := store.GetFolder(tx, id)
	if err != nil {
		return err
	}
	if f.Status != iam.FolderActive {
		return iam.Errorf(iam.FailedPrecondition, "Folder %s is being deleted", id)
	}
	return nil
}

// CloudAccepts is FolderAccepts for a cloud, which has no status of its own.
func CloudAccepts(tx *store.Tx, id string) error {
	if err := store.LockResource(tx, id); err != nil && !errors.Is(err, iam.NotFound) {
		return err
	}
	waits, err := store.PendingDeletionOn(tx, id)
	if err == nil && waits != nil {
		return iam.Errorf(iam.FailedPrecondition, "Cloud %s is being deleted", id)
	}
	return err
}
