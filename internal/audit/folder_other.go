//go:build !unix

package audit

import (
	"os"
	"path/filepath"
)

// syncFolder does nothing where a folder cannot be opened: there the system
// keeps names with their files.
func syncFolder(string) error { return nil }

// lockFolder opens the lock file: where files have no advisory locks, the lock
// of the data folder is the only one.
func lockFolder(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
