//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/token"
)

const tokenHandler = `
import json, os, sys, time, urllib.request

def handler(event, context):
    what = event["queryStringParameters"].get("do")
    if what == "sleep":
        print("asleep", os.getpid())
        sys.stdout.flush()
        time.sleep(60)
    if what == "crash":
        os._exit(1)
    at = "http://%s/computeMetadata/v1/instance/service-accounts/default/token" % os.environ["YC_METADATA_ADDR"]
    with urllib.request.urlopen(urllib.request.Request(at, headers={"Metadata-Flavor": "Google"})) as answer:
        told = json.load(answer)
    print("my context", vars(context))
    return {"body": json.dumps({"token": context.token, "metadata": told, "pid": os.getpid(), "seen": context.token["access_token"] in everywhere()})}

# everywhere is what the machine shows of processes: their words and their environment.
def everywhere():
    text = ""
    for process in filter(str.isdigit, os.listdir("/proc") if os.path.exists("/proc/self") else []):
        for file in ("cmdline", "environ"):
            try:
                with open("/proc/%s/%s" % (process, file), errors="replace") as f:
                    text += f.read()
            except OSError:
                pass
    return text
`

// functionServer is `propusk function run --listen`, running.
type functionServer struct {
	*exec.Cmd
	url string
	log string // file
}

var listensAt = regexp.MustCompile(`listens at (http://\S+)`)

func (f *functionServer) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(f.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func startFunction(t *testing.T, dev *process, args ...string) *functionServer {
	t.Helper()
	f := &functionServer{log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(f.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f.Cmd = exec.Command("propusk", append([]string{"function", "run", "--endpoint", dev.grpc, "--listen", "127.0.0.1:0"}, args...)...)
	f.Dir, f.Stdout, f.Stderr = dev.cmd.Dir, log, log
	f.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dev.cmd.Dir, "YC_SERVICE_ACCOUNT_KEY_FILE=" + filepath.Join(dev.cmd.Dir, "d", "admin-key.json")}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Process.Kill(); _ = f.Wait() })
	for deadline := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) {
		if m := listensAt.FindStringSubmatch(f.text(t)); m != nil {
			f.url = m[1]
			return f
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not listen\n%s", f.text(t))
		}
	}
}

// TestFunctionListens: a warm function over HTTP hands its handler the token of
// its account, no longer than the caller's, and shows it to nobody else.
func TestFunctionListens(t *testing.T) {
	needTools(t, "python3")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fn.py"), []byte(tokenHandler), 0o600); err != nil {
		t.Fatal(err)
	}
	dev := startDev(t, dir)
	robot := dev.env(t)["SERVICE_ACCOUNT_ID"]
	f := startFunction(t, dev, "--service-account", robot, "--timeout", "20s", "--", "fn.py")
	type told struct {
		Token, Metadata struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int    `json:"expires_in"`
			TokenType   string `json:"token_type"`
		}
		PID  int
		Seen bool
	}
	call := func() (got told) {
		t.Helper()
		a, err := ask("GET", f.url, "", "")
		if err != nil || a.code != 200 {
			t.Fatalf("%v, %v\n%s", a, err, f.text(t))
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := call()
	claims, err := token.ParseUnverified(first.Token.AccessToken)
	if err != nil || claims.SubjectID != robot || claims.SubjectType != token.SubjectServiceAccount {
		t.Fatalf("%+v, %v", claims, err)
	}
	if first.Token.AccessToken != first.Metadata.AccessToken || first.Token.TokenType != "Bearer" || first.Metadata.TokenType != "Bearer" || first.Seen ||
		min(first.Token.ExpiresIn, first.Metadata.ExpiresIn) <= 43000 || max(first.Token.ExpiresIn, first.Metadata.ExpiresIn) > 43200 {
		t.Errorf("%d %d %s, seen: %v", first.Token.ExpiresIn, first.Metadata.ExpiresIn, first.Token.TokenType, first.Seen)
	}
	a, err := ask("GET", "http://"+dev.http+"/iam/v1/serviceAccounts/"+robot, first.Token.AccessToken, "")
	if err != nil || a.code != 200 {
		t.Errorf("the token: %v, %v", a, err)
	}
	if second := call(); second.PID != first.PID || second.Token.AccessToken != first.Token.AccessToken {
		t.Errorf("the second call had another process or token")
	}
	if a, err := ask("GET", f.url+"?do=crash", "", ""); err != nil || a.code != http.StatusBadGateway {
		t.Errorf("%v, %v", a, err)
	}
	if third := call(); third.PID == first.PID {
		t.Error("the process lives on")
	}
	if text := f.text(t); strings.Contains(text, first.Token.AccessToken) || !strings.Contains(text, "'access_token': '*** hidden ***'") {
		t.Errorf("log:\n%s", text)
	}

	// Ctrl-C ends it within a second or two, though a handler sleeps.
	go func() { _, _ = ask("GET", f.url+"?do=sleep", "", "") }()
	asleep := regexp.MustCompile(`asleep (\d+)`)
	for deadline := time.Now().Add(10 * time.Second); !asleep.MatchString(f.text(t)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not sleep\n%s", f.text(t))
		}
	}
	if err := f.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := f.Wait(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("after Ctrl-C: %v in %v\n%s", err, time.Since(began), f.text(t))
	}
	pid, err := strconv.Atoi(asleep.FindStringSubmatch(f.text(t))[1])
	if err != nil || syscall.Kill(pid, 0) == nil {
		t.Errorf("the handler, %d, lives on: %v", pid, err)
	}
}

// TestFunctionInterrupted: Ctrl-C, and a terminal that goes, end a call, its process
// and what was made for it.
func TestFunctionInterrupted(t *testing.T) {
	needTools(t, "sh")
	for _, by := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP} {
		t.Run(by.String(), func(t *testing.T) { interruptFunction(t, by) })
	}
}

func interruptFunction(t *testing.T, by syscall.Signal) {
	dir := t.TempDir()
	var stderr bytes.Buffer
	cmd := exec.Command("propusk", "function", "run", "--data", "x", "--timeout", "1m", "--", "sh", "-c", "trap '' TERM INT; echo started >&2; sleep 60")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 1024); !strings.Contains(stderr.String(), "started"); {
		n, err := pipe.Read(buffer)
		if err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		stderr.Write(buffer[:n])
	}
	if err := cmd.Process.Signal(by); err != nil {
		t.Fatal(err)
	}
	_, _ = stderr.ReadFrom(pipe)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "propusk function: interrupted") {
		t.Errorf("exit code %d\n%s", code, &stderr)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestFunctionLogCloses: who takes its log away ends it, and it leaves nothing.
func TestFunctionLogCloses(t *testing.T) {
	needTools(t, "sh")
	dir := t.TempDir()
	cmd := exec.Command("propusk", "function", "run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "echo printed >&2; echo {}")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	line, err := bufio.NewReader(pipe).ReadString('\n')
	found := listensAt.FindStringSubmatch(line)
	if err != nil || found == nil {
		t.Fatalf("%q, %v", line, err)
	}
	_ = pipe.Close()
	if _, err := ask("GET", found[1], "", ""); err != nil {
		t.Logf("the call: %v", err) // it may have ended by now
	}
	limit := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() < 0 {
		t.Errorf("it ended by %v", cmd.ProcessState)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestFunctionMetadataHidden: a token of the metadata address that no call was
// given is hidden in the log, too.
func TestFunctionMetadataHidden(t *testing.T) {
	needTools(t, "sh")
	var out bytes.Buffer
	log := function.NewLogbook(&out)
	account := newFunctionAccount("ajefn", nil, time.Second, log)
	account.tokens.Make = func(context.Context) (iamclient.Token, error) {
		return iamclient.Token{Text: iam.NewSecret("t1.of.metadata"), ReceivedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}, nil
	}
	if got, err := account.Token(t.Context()); err != nil || got.Text.Reveal() != "t1.of.metadata" {
		t.Fatal(err)
	}
	handler, err := function.Find([]string{"sh", "-c", "echo t1.of.metadata >&2; echo done >&2"}, "")
	if err != nil {
		t.Fatal(err)
	}
	runner, err := function.Start(t.Context(), function.Function{Handler: handler, Memory: 1, Timeout: 10 * time.Second, Instances: 1,
		Environ: []string{"PATH=" + os.Getenv("PATH")}, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	if _, err := runner.Invoke(t.Context(), function.Call{RequestID: "id"}); err != nil || strings.Contains(out.String(), "t1.of") || !strings.Contains(out.String(), "done") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// needTools skips a test where a tool is missing, which CI does not.
func needTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing, and CI skips nothing", tool)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}
