package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli"
)

// TestDroppedWhileItIsRenewed: a sign-in that the person gives up while a
// command renews it does not come back, for another profile of its name to find.
func TestDroppedWhileItIsRenewed(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "cache")); err != nil {
		t.Fatal(err)
	}
	p.meanwhile = func() {
		if code, _, errs := f.tree(t, path, nil, "config set token y0_new"); code != 0 {
			p.wrong = append(p.wrong, errs)
		}
	}
	if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 0 || out != "t1.made.n2\n" {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	if _, err := os.Stat(signInFile(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the sign-in is back: %v", err)
	}
}

// TestCertificatesAreFoundFromEverywhere: the profile is for other folders too.
func TestCertificatesAreFoundFromEverywhere(t *testing.T) {
	f, p := cloud(t), newPages(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "config.yaml")
	t.Chdir(folder)
	if err := os.WriteFile("ca.pem", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL); code != 0 {
		t.Fatal(text)
	}
	if code, _, errs := f.tree(t, path, nil, "config set ca-file ca.pem"); code != 0 {
		t.Fatal(errs)
	}
	if text := read(t, path); !strings.Contains(text, "ca-file: "+filepath.Join(folder, "ca.pem")) {
		t.Errorf("%s", text)
	}
}

// TestNewProfileByName: init makes the profile that a flag or a variable names,
// of the server that the active one is of, without asking which.
func TestNewProfileByName(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL, "--profile", "first"); code != 0 {
		t.Fatal(text)
	}
	if code, text, _ := f.begin(t, path, "1\n", "--profile", "second"); code != 0 || strings.Contains(text, "Pick desired action") {
		t.Fatalf("%d, %s", code, text)
	}
	text := read(t, path)
	for _, part := range []string{"current: second", "  first:", "  second:"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
	if strings.Count(text, "federation-endpoint: "+p.URL) != 2 || strings.Contains(text, "default:") {
		t.Errorf("%s", text)
	}
	for _, name := range []string{"first", "second"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "sign-in", name+".json")); err != nil {
			t.Error(err)
		}
	}
	if code, text, _ := f.begin(t, path, "1\n", "--profile", "No Name"); code != 2 || !strings.Contains(text, "is no name of a profile") {
		t.Errorf("%d, %s", code, text)
	}
	if code, _, errs := f.tree(t, path, nil, "config list --profile third"); code != 2 || !strings.Contains(errs, `there is no profile "third"`) {
		t.Errorf("%d, %s", code, errs)
	}
}

// TestProfileMadeByHandIsNobodys: a profile that was taken out of the file by
// hand leaves its sign-in, which the next of its name does not get.
func TestProfileMadeByHandIsNobodys(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL, "--profile", "mine"); code != 0 {
		t.Fatal(text)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := f.tree(t, path, nil, "config profile create mine"); code != 0 {
		t.Fatal(errs)
	}
	if code, out, errs := f.tree(t, path, nil, "iam create-token"); code != 2 || out != "" || !strings.Contains(errs, "say who you are") {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
}

// TestBoundSignInWithAWrongClock: a key is proved for the server's time, and the
// difference is told.
func TestBoundSignInWithAWrongClock(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		time.Hour:            "(yours is behind)",
		-time.Hour:           "(yours is ahead)",
		20 * time.Second:     "",
		365 * 24 * time.Hour: "invalid_dpop_proof", // that proof would be good in whosever hands it is, in a year
	} {
		f, p := cloud(t), newPages(t)
		p.ahead = ahead
		path := filepath.Join(t.TempDir(), "config.yaml")
		code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL, "--dpop")
		if wrong := want == "invalid_dpop_proof"; (code != 0) != wrong || !strings.Contains(text, want) || want == "" && strings.Contains(text, "your clock") {
			t.Errorf("%v: %d, %s", ahead, code, text)
		}
	}
}

// TestBrowserKnowsNoCredentials: what it is started with holds none.
func TestBrowserKnowsNoCredentials(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // scripts are others there
	}
	f, p := cloud(t), newPages(t)
	folder := t.TempDir()
	script, seen := filepath.Join(folder, "browser"), filepath.Join(folder, "seen")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nenv >"+seen+".new && mv "+seen+".new "+seen+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int)
	go func() {
		ended <- cli.Main(ctx, cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + filepath.Join(folder, "config.yaml"), "PATH=" + os.Getenv("PATH"),
			"BROWSER=" + script, "YC_IAM_TOKEN=t1.in.environment", "YC_TOKEN=y0_environment", "YC_SERVICE_ACCOUNT_KEY_FILE={}"},
			Stdin: strings.NewReader(""), Stdout: &errs, Stderr: &errs, Now: time.Now}, "yc", []string{"init", "--username", "alice", "--federation-endpoint", p.URL})
	}()
	var text []byte
	for deadline := time.Now().Add(20 * time.Second); text == nil && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(seen)
	}
	stop()
	<-ended
	if !strings.Contains(string(text), "YC_CONFIG=") {
		t.Fatalf("it was not started: %q, %s", text, &errs)
	}
	for _, name := range []string{"YC_IAM_TOKEN", "YC_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE"} {
		if strings.Contains(string(text), name) {
			t.Errorf("it has %s", name)
		}
	}
}

// TestDeletedByInit: a profile that init deletes leaves nothing, and one that it
// makes anew nothing of before.
func TestDeletedByInit(t *testing.T) {
	f, p := cloud(t), newPages(t)
	path := filepath.Join(t.TempDir(), "config.yaml")
	for _, name := range []string{"first", "second"} {
		if code, text, _ := f.begin(t, path, "1\n", "--federation-endpoint", p.URL, "--profile", name); code != 0 {
			t.Fatal(text)
		}
	}
	if code, text, _ := f.begin(t, path, "4\n1\n1\n1\n"); code != 0 || !strings.Contains(text, "Profile 'first' deleted") {
		t.Fatalf("%d, %s", code, text)
	}
	for pattern, want := range map[string]int{"sign-in/first.json": 0, "cache/first-*.json": 0, "sign-in/second.json": 1, "cache/second-*.json": 1} {
		if found, err := filepath.Glob(filepath.Join(filepath.Dir(path), filepath.FromSlash(pattern))); err != nil || len(found) != want {
			t.Errorf("%s: %v, want %d, %v", pattern, found, want, err)
		}
	}
}
