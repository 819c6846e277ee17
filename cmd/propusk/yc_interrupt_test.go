package main

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
)

// neverDone is a server whose operations have no end, and whose keys take as
// long as one waits.
type neverDone struct{ asked chan string }

func (n *neverDone) say(what string) {
	select {
	case n.asked <- what:
	default:
	}
}

func (n *neverDone) serve(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	iampb.RegisterServiceAccountServiceServer(s, neverAccounts{neverDone: n})
	iampb.RegisterApiKeyServiceServer(s, neverKeys{neverDone: n})
	operationpb.RegisterOperationServiceServer(s, neverOperations{neverDone: n})
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	return listener.Addr().String()
}

type neverAccounts struct {
	iampb.UnimplementedServiceAccountServiceServer
	*neverDone
}

func (s neverAccounts) Create(context.Context, *iampb.CreateServiceAccountRequest) (*operationpb.Operation, error) {
	return &operationpb.Operation{Id: "ajeoperation00000000"}, nil
}

type neverKeys struct {
	iampb.UnimplementedApiKeyServiceServer
	*neverDone
}

func (s neverKeys) Create(ctx context.Context, _ *iampb.CreateApiKeyRequest) (*iampb.CreateApiKeyResponse, error) {
	s.say("key")
	<-ctx.Done()
	return nil, ctx.Err()
}

type neverOperations struct {
	operationpb.UnimplementedOperationServiceServer
	*neverDone
}

func (o neverOperations) Get(ctx context.Context, r *operationpb.GetOperationRequest) (*operationpb.Operation, error) {
	o.say("operation")
	<-ctx.Done()
	return nil, ctx.Err()
}

// lines is what a program has written so far.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until waits for something to be so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 20 s", what)
		}
	}
}

// TestInterrupted: whatever a client command is at, a signal ends it at once,
// and it says what goes on without it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dialled := make(chan struct{}, 9)
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			dialled <- struct{}{}
			defer conn.Close()
		}
	}()
	endless := &neverDone{asked: make(chan string, 1)}
	endpoint := endless.serve(t)
	for name, c := range map[string]struct {
		args   []string
		ready  func(errs *lines) bool
		signal syscall.Signal
		code   int
		want   string
	}{
		"connecting": {[]string{"--endpoint", silent.Addr().String(), "iam", "role", "list"},
			func(*lines) bool { return len(dialled) > 0 }, syscall.SIGINT, 130, "ERROR: interrupted\n"},
		"waiting for an operation": {[]string{"--endpoint", endpoint, "iam", "service-account", "create", "robot", "--folder-id", "b1g"},
			func(*lines) bool { return <-endless.asked == "operation" }, syscall.SIGINT, 130,
			"ERROR: interrupted\noperation ajeoperation00000000 goes on; `operation wait ajeoperation00000000` waits for its end\n"},
		"a change on its way": {[]string{"--endpoint", endpoint, "iam", "api-key", "create", "--service-account-id", "aje"},
			func(*lines) bool { return <-endless.asked == "key" }, syscall.SIGTERM, 143,
			"ERROR: interrupted\nthe server may have done it all the same\n"},
		"a question": {[]string{"--endpoint", endpoint, "iam", "refresh-token", "revoke"},
			func(errs *lines) bool { return strings.Contains(errs.String(), "[y/N]") }, syscall.SIGINT, 130, "ERROR: interrupted\n"},
		"a secret on standard input": {[]string{"--endpoint", endpoint, "iam", "revoke-token", "--iam-token", "-"},
			func(*lines) bool { time.Sleep(300 * time.Millisecond); return true }, syscall.SIGINT, 130, "ERROR: interrupted\n"},
		"without answer, again and again": {[]string{"--endpoint", "127.0.0.1:1", "--retry", "-1", "iam", "role", "list"},
			func(*lines) bool { time.Sleep(300 * time.Millisecond); return true }, syscall.SIGINT, 130, "ERROR: interrupted\n"},
	} {
		cmd := exec.Command("yc", c.args...)
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"HOME=" + cmd.Dir, "YC_IAM_TOKEN=t1.a.b"}
		errs := new(lines)
		cmd.Stderr = errs
		typing, err := cmd.StdinPipe() // open, and silent
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, name, func() bool { return c.ready(errs) })
		began := time.Now()
		if err := cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			t.Fatalf("%s: it goes on after 10 s", name)
		}
		_ = typing.Close()
		if got := errs.String(); cmd.ProcessState.ExitCode() != c.code || !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %d after %v, %q, want %d, %q", name, cmd.ProcessState.ExitCode(), time.Since(began), got, c.code, c.want)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: it ends after %v", name, took)
		}
	}
}

// TestCutWhileWriting: a client that is killed while it writes leaves the file
// of profiles whole, and what it left beside it goes.
func TestCutWhileWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	set := func(value string) *exec.Cmd {
		cmd := exec.Command("yc", "--config", config, "config", "set", "cloud-id", value)
		cmd.Env = []string{"HOME=" + dir}
		return cmd
	}
	if out, err := set("first").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for i := range 30 {
		cmd := set("second" + strings.Repeat("x", 60000))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		get := exec.Command("yc", "--config", config, "config", "get", "cloud-id")
		get.Env = []string{"HOME=" + dir}
		out, err := get.Output()
		if text := string(out); err != nil || text != "first\n" && (len(text) != 60007 || !strings.HasPrefix(text, "second")) {
			t.Fatalf("%v: %.40q of %d bytes", err, text, len(text))
		}
	}
	if out, err := set("last").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".config.yaml.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestSetAtOnce: twenty processes set twenty properties at once, and none is lost.
func TestSetAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if out, err := run(dir, "yc", "config", "set", "services.s"+string(rune('a'+i))+".version", "v1"); err != nil {
				t.Errorf("%s %v", out, err)
			}
		})
	}
	all.Wait()
	out, err := run(dir, "yc", "config", "list")
	if err != nil || strings.Count(string(out), "version: v1") != 20 {
		t.Errorf("%v\n%s", err, out)
	}
}
