package function_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
)

// TestMemory: a handler that is nobody special cannot look into the program that
// runs it, and leaves no core.
func TestMemory(t *testing.T) {
	needs(t, "sh")
	r, _ := start(t, nil, "sh", "-c", "ulimit -c; stat -c %u /proc/$PPID/environ /proc/$PPID/mem /proc/$PPID/fd; grep -c . /proc/$$/environ >/dev/null && echo own")
	wants(t, r, "", "0\n0\n0\n0\nown\n")
	if dumpable, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0); dumpable != 0 {
		t.Errorf("dumpable: %d", dumpable)
	}
}

// TestHungTool: what an interpreter's script leaves behind keeps nobody waiting.
func TestHungTool(t *testing.T) {
	needs(t, "sh", "python3")
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nsleep 20 &\necho $! >" + dir + "/pid\nexec " + strings.TrimSpace(string(python)) + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(dir + "/pid"); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	h, err := function.Find([]string{write(t, "fn.py", pythonHandlers)}, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	began := time.Now()
	f := function.Function{Handler: h, Memory: 1, Timeout: time.Second, Instances: 1, Log: function.NewLogbook(&book{}), Now: time.Now}
	if r, err := function.Start(t.Context(), f); err == nil {
		r.Close()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
