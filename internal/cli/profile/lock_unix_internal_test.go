//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package profile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestNoLocks: on a file system without locks one process at a time works all
// the same, and what one that was killed has left behind does not stop others.
func TestNoLocks(t *testing.T) {
	defer func(usual func(int, int) error) { flock = usual }(flock)
	flock = func(int, int) error { return syscall.ENOLCK }
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(path, 30*time.Millisecond); err == nil {
		t.Error("two have it")
	}
	unlock()
	if unlock, err = lock(path, time.Second); err != nil {
		t.Fatal(err)
	}
	defer unlock()
	at := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".held", at, at); err != nil {
		t.Fatal(err)
	}
	if _, err := lock(path, time.Second); err != nil {
		t.Errorf("it is left for ever: %v", err)
	}
}
