package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// stale is how old a lock is that its process has left behind.
const stale = 30 * time.Second

// lockByMaking has one process at a time hold the file at path: whoever makes it.
// It is for where the system cannot tell that a process has ended.
func lockByMaking(path string, patience time.Duration) (unlock func(), err error) {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_ = f.Close()
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if info, serr := os.Stat(path); serr == nil && time.Since(info.ModTime()) > stale {
			_ = os.Remove(path)
			continue
		}
		if time.Since(began) > patience {
			return nil, fmt.Errorf("another process holds %s: %w", path, err)
		}
	}
}
