//go:build unix

package function

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// canRun tells whether handlers run here: they need descriptors beyond the
// standard ones, and groups of processes.
const canRun = true

// keepDescriptors has no process that is started from now on get what this one got
// of its caller: descriptors may lead to what only the caller may read.
func keepDescriptors() {
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// inGroup gives a process and what it starts a group of their own: a terminal's
// Ctrl-C does not reach them, and they end together.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func askGroup(pid int)  { _ = syscall.Kill(-pid, syscall.SIGTERM) }
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
