//go:build unix

package seal

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner and the group that another one has. Only the
// system's administrator can give files away, and only such a one needs to.
func keepOwner(f *os.File, like os.FileInfo) error {
	was, ok := like.Sys().(*syscall.Stat_t)
	if !ok || (int(was.Uid) == os.Getuid() && int(was.Gid) == os.Getgid()) {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}

// lockOpen keeps other processes from locking a file until it is closed, or
// fails at once.
func lockOpen(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
