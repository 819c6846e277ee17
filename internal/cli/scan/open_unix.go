//go:build unix

package scan

import "syscall"

// A file that has become a link is not followed, and a pipe not waited for.
const openSafely = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
