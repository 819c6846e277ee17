//go:build unix

package server

import "syscall"

// makePrivate gives a socket that is about to be bound the mode 0600.
func makePrivate(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) }
