package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var servingMetadata = regexp.MustCompile(`msg="serving metadata" listen=(\S+) debug=(\S+)`)

// startMetadata is `metadata NAME ARG…` of a script: it starts `propusk metadata
// ARG…` and waits until it serves. Its output is in NAME.out and NAME.err, its
// addresses in $NAME_listen (several: $NAME_listen1 and so on) and $NAME_debug,
// its pid in $NAME_pid.
func startMetadata(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: metadata NAME ARG…")
	}
	name, dir := args[0], ts.MkAbs(".")
	p := &process{cmd: exec.Command("propusk", append([]string{"metadata"}, args[1:]...)...), ended: make(chan struct{}),
		out: filepath.Join(dir, name+".out"), err: filepath.Join(dir, name+".err")}
	p.cmd.Dir, p.cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	stderr, err := os.Create(p.err)
	ts.Check(err)
	defer stderr.Close()
	p.cmd.Stderr = stderr
	ts.Check(p.cmd.Start())
	go func() { p.result = p.cmd.Wait(); close(p.ended) }()
	ts.Defer(p.kill)
	for deadline := time.Now().Add(startLimit); ; time.Sleep(2 * time.Millisecond) {
		if m := servingMetadata.FindStringSubmatch(p.log()); m != nil {
			running(ts)[name] = p
			for i, a := range strings.Split(m[1], ",") {
				ts.Setenv(name+"_listen"+strconv.Itoa(i+1), a)
			}
			ts.Setenv(name+"_listen", m[1])
			ts.Setenv(name+"_debug", m[2])
			ts.Setenv(name+"_pid", strconv.Itoa(p.cmd.Process.Pid))
			return
		}
		select {
		case <-p.ended:
			ts.Fatalf("it ended at its start: %v\n%s", p.result, p.log())
		default:
		}
		if time.Now().After(deadline) {
			ts.Fatalf("it does not serve after %s\n%s", startLimit, p.log())
		}
	}
}

var noRedirects = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// fetch is `fetch METHOD URL [HEADER: VALUE]…` of a script: it sends a request;
// stdout has the status, the headers and the body.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fetch METHOD URL [HEADER: VALUE]…")
	}
	r, err := http.NewRequest(args[0], args[1], nil)
	ts.Check(err)
	for _, h := range args[2:] {
		name, v, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = v
		}
		r.Header.Add(name, v)
	}
	answer, err := noRedirects.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "status %d\n", answer.StatusCode)
	var headers strings.Builder
	ts.Check(answer.Header.Write(&headers))
	fmt.Fprintf(ts.Stdout(), "%s%s\n", strings.ReplaceAll(headers.String(), "\r", ""), body)
}
