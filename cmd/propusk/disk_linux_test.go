package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileLimit makes writes of a running process beyond a size fail, as those on a
// full disk do; unix.RLIM_INFINITY gives the room back.
func fileLimit(t *testing.T, p *process, size uint64) {
	t.Helper()
	limit := unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Skipf("prlimit: %v", err)
	}
}

// Without room for the audit line no token leaves, and no change is made; when
// there is room again the server goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	key := readKey(t, dir, "d", "key.json")
	token := mustExchange(t, p, key)
	url, folder := "http://"+p.http, p.env(t)["FOLDER_ID"]
	create := func(name string) *answer {
		t.Helper()
		a, err := ask("POST", url+"/iam/v1/serviceAccounts", token, `{"folderId":"`+folder+`","name":"`+name+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := create("before"); a.code != 200 {
		t.Fatal(a)
	}
	journals, err := filepath.Glob(filepath.Join(dir, "d", "journal", "*.journal"))
	if err != nil || len(journals) != 1 {
		t.Fatal(journals, err)
	}
	data, err := os.ReadFile(journals[0])
	if err != nil {
		t.Fatal(err)
	}
	written := len(bytes.TrimRight(data, "\x00")) // the journal reserves room by zeros
	fileLimit(t, p, uint64(written)+10)           // the next line is torn
	for range 3 {
		_, err := p.exchange(key)
		if r, ok := errors.AsType[*refusal](err); !ok || r.code != http.StatusServiceUnavailable {
			t.Errorf("exchange without room for its line: %v", err)
		}
	}
	if a := create("meanwhile"); a.code != http.StatusServiceUnavailable {
		t.Errorf("a change without room for it: %v", a)
	}
	if a, err := ask("GET", url+"/resource-manager/v1/clouds", token, ""); err != nil || a.code != 200 {
		t.Errorf("a read meanwhile: %v, %v", a, err)
	}
	fileLimit(t, p, unix.RLIM_INFINITY)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err = p.exchange(key); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("10 s after there is room again: %v", err)
		}
	}
	if a := create("after"); a.code != 200 {
		t.Errorf("a change after there is room again: %v", a)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if out, err := propusk(dir, "audit", "verify", "--data", "d"); err != nil {
		t.Errorf("%s %v", out, err)
	}
	p = startDev(t, dir)
	a, err := ask("GET", "http://"+p.http+"/iam/v1/serviceAccounts?folderId="+folder, token, "")
	if err != nil || a.code != 200 || strings.Contains(a.String(), `"meanwhile"`) ||
		!strings.Contains(a.String(), `"before"`) || !strings.Contains(a.String(), `"after"`) {
		t.Errorf("accounts after it all: %v, %v", a, err)
	}
}

// A server that finds no room at its start says so and leaves nothing broken.
func TestDiskFullAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := propusk(dir, "dev", "--data", "/dev/full/d", "--http-listen", "127.0.0.1:0")
	if err == nil {
		t.Errorf("%s", out)
	}
	_, err = run(dir, "sh", "-c", "ulimit -f 20; exec propusk dev --data d --http-listen 127.0.0.1:0 --grpc-listen 127.0.0.1:0 --access-listen off --debug-listen off")
	if err == nil || !strings.Contains(err.Error(), "propusk dev: database: ") {
		t.Fatalf("a start with room for 10 KiB: %v", err)
	}
	startDev(t, dir)
}
