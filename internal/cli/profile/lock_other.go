//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package profile

import "time"

// lock has one process at a time hold the file at path.
func lock(path string, patience time.Duration) (unlock func(), err error) {
	return lockByMaking(path, patience)
}
