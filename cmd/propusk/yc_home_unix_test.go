//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAnothersHome: where the profiles are may not be looked at, as after
// sudo -u. What the environment says is enough then, and a profile that is
// asked for is missed.
func TestAnothersHome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	home, program := filepath.Join(dir, "home"), "yc"
	if err := os.MkdirAll(filepath.Join(home, ".config", "propusk"), 0o700); err != nil {
		t.Fatal(err)
	}
	var as *syscall.SysProcAttr
	if os.Getuid() == 0 { // who may look everywhere
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		program = copied(t, filepath.Join(dir, "yc"))
		for _, folder := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	} else if err := os.Chmod(home, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(home, 0o700) })
	yc := func(code int, want string, env []string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", append(env, "HOME="+home, "YC_ENDPOINT="+p.grpc), as
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v, %s, want %d, %s", args, err, out, code, want)
		}
	}
	token := []string{"YC_TOKEN=" + p.env(t)["OAUTH_TOKEN"]}
	yc(0, "t1.", token, "iam", "create-token")
	yc(0, "permission denied: it is left out", token, "iam", "create-token")
	yc(2, "say who you are", nil, "iam", "create-token")
	yc(1, "permission denied", token, "iam", "create-token", "--config", filepath.Join(home, ".config", "propusk", "config.yaml"))
	yc(1, "permission denied", token, "iam", "create-token", "--profile", "x")
	yc(1, "permission denied", nil, "config", "set", "cloud-id", "x")
}

// copied copies this very program to where everybody may run it.
func copied(t *testing.T, to string) string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(own)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}
