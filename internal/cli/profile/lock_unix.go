//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package profile

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

var flock = syscall.Flock

// lock has one process at a time hold the file at path, which stays empty. The
// system lets go of it when the process ends, however it ends.
func lock(path string, patience time.Duration) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch err {
		case nil:
			return func() { _ = f.Close() }, nil
		case syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP: // a file system of another machine, often
			_ = f.Close()
			return lockByMaking(path+".held", patience)
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Since(began) > patience {
			_ = f.Close()
			return nil, fmt.Errorf("another process holds %s: %w", path, err)
		}
	}
}
