//go:build unix

package function

import (
	"os/exec"
	"syscall"
)

// canRun tells whether handlers run here: they need descriptors beyond the
// standard ones, and groups of processes.
const canRun = true

// inGroup gives a process and what it starts a group of their own: a terminal's
// Ctrl-C does not reach them, and they end together.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func askGroup(pid int)  { _ = syscall.Kill(-pid, syscall.SIGTERM) }
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
