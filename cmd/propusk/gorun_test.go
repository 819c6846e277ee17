//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var toPaste = regexp.MustCompile(`(?m)^  (JWT|TOKEN|curl)\b.*\n`)

// The first minute of a newcomer: `go run ./cmd/propusk dev` in the checkout,
// and what it prints, pasted into another terminal.
func TestGoRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	for _, tool := range []string{"go", "curl", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing, and CI skips nothing", tool)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("go", "run", "./cmd/propusk", "dev", "--data", filepath.Join(dir, "a folder"),
		"--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", "--access-listen", "off", "--debug-listen", "off")
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals go to all of it, as from a terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(stopLimit):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Error("it still runs after Ctrl-C")
		}
	})
	printed := func() string {
		text, _ := os.ReadFile(out.Name())
		return string(text)
	}
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(printed(), "msg=serving"); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("it ended:\n%s", printed())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not serve:\n%s", printed())
		}
	}
	commands := strings.Join(toPaste.FindAllString(printed(), -1), "")
	if !strings.Contains(commands, "go run ./cmd/propusk jwt --key '") {
		t.Fatalf("to paste:\n%s", commands)
	}
	shell := exec.Command("sh", "-e", "-c", commands)
	shell.Dir = root
	answer, err := shell.Output()
	if err != nil || !strings.Contains(string(answer), `"name":"dev-cloud"`) {
		t.Errorf("pasted\n%s\nanswers %s, %v", commands, answer, fmt.Sprint(err))
	}
}
