//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// apart has a program run in a process group of its own.
func apart(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
