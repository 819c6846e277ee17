package function

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	markedRounds = 50
	markedPause  = 2 * time.Millisecond
)

// killMarked ends the processes of this user that began with a variable in their
// environment, "NAME=value", wherever they have moved since: a browser that is
// started for a page, for one, is in a group of its own. It looks again until it
// finds none, for they may start others meanwhile.
func killMarked(mark string) {
	for range markedRounds {
		found := false
		for _, pid := range marked(mark) {
			found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
		}
		if !found {
			return
		}
		time.Sleep(markedPause)
	}
}

func marked(mark string) (pids []int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile("/proc/" + name + "/environ")
		if err == nil && (bytes.HasPrefix(environ, []byte(mark+"\x00")) || bytes.Contains(environ, []byte("\x00"+mark+"\x00"))) {
			pids = append(pids, pid)
		}
	}
	return pids
}
