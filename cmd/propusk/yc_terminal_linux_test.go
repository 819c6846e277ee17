package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what is written to person is typed there.
type terminal struct {
	person, program *os.File
	shown           *lines
}

func newTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	x := &terminal{person, program, new(lines)}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := person.Read(b)
			if err != nil {
				return
			}
			_, _ = x.shown.Write(b[:n])
		}
	}()
	return x
}

// run starts a program on the terminal, which it has for its own.
func (x *terminal) run(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("yc", args...)
	cmd.Dir, cmd.Env = dir, append([]string{"HOME=" + dir}, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.program, x.program, x.program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func (x *terminal) echoes(t *testing.T) bool {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(x.program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return modes.Lflag&unix.ECHO != 0
}

// TestNarrowTerminal: what does not fit 40 columns as a table is told in lines.
func TestNarrowTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	env := []string{"YC_ENDPOINT=" + p.grpc, "YC_SERVICE_ACCOUNT_KEY_FILE=d/key.json", "YC_FOLDER_ID=" + p.env(t)["FOLDER_ID"]}
	narrow, wide := newTerminal(t, 40), newTerminal(t, 200)
	for _, args := range [][]string{{"iam", "service-account", "list"}, {"help"}} {
		for _, x := range []*terminal{narrow, wide} {
			if err := x.run(t, dir, env, args...).Wait(); err != nil {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
	until(t, "the end of the help", func() bool {
		return strings.Contains(narrow.shown.String(), "  141") && strings.Contains(wide.shown.String(), "  141")
	})
	got := strings.ReplaceAll(narrow.shown.String(), "\r\n", "\n")
	if !strings.HasPrefix(got, "ID: aje") || !strings.Contains(got, "\nNAME: ") || strings.Contains(got, "+--") {
		t.Errorf("%s", got)
	}
	for line := range strings.Lines(got) {
		if len(strings.TrimRight(line, "\n")) > 40 && !strings.Contains(line, "LABELS") {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	if got := wide.shown.String(); !strings.HasPrefix(got, "+--") {
		t.Errorf("%s", got)
	}
}

// TestHiddenTyping: a secret is not shown while it is typed, and the terminal
// shows again what is typed when the program is interrupted meanwhile.
func TestHiddenTyping(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := newTerminal(t, 80)
	cmd := x.run(t, dir, nil, "init")
	until(t, "the choice", func() bool { return strings.Contains(x.shown.String(), "With an OAuth token") })
	if _, err := x.person.WriteString("3\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "the question", func() bool { return strings.Contains(x.shown.String(), "Please enter OAuth token: ") && !x.echoes(t) })
	if _, err := x.person.WriteString("y0_secret\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatalf("it goes on: %s", x.shown)
	}
	until(t, "its last words", func() bool { return strings.Contains(x.shown.String(), "interrupted") })
	if cmd.ProcessState.ExitCode() != 130 || !x.echoes(t) || strings.Contains(x.shown.String(), "y0_secret") {
		t.Errorf("%d, %v, %s", cmd.ProcessState.ExitCode(), x.echoes(t), x.shown)
	}
	if _, err := os.Stat(filepath.Join(dir, ".config")); err == nil {
		t.Error("something was kept")
	}
}
