package function

import "syscall"

// keepMemory has neither a handler look into this program's memory and
// environment, where the caller's credential is, nor a core dump of either hold a
// token. The kernel shows them to root alone from now on.
func keepMemory() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
	keepCores()
}
