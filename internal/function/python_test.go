//go:build unix

package function_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

const pythonHandlers = `
import asyncio, os, subprocess, sys, tempfile, time

calls = 0

def handler(event, context):
    global calls
    calls += 1
    what = event["do"] if isinstance(event, dict) else event
    if what == "count": return calls
    if what == "pid": return str(os.getpid())
    if what == "bytes": return b"\xff\x00"
    if what == "text": return "plain \u043f"
    if what == "none": return None
    if what == "big": return "x" * (4 << 20)
    if what == "nearly": return "x" * 3_670_016
    if what == "object": return {"a": object()}
    if what == "raise": raise KeyError("k")
    if what == "exit": sys.exit(3)
    if what == "crash": os._exit(9)
    if what == "sleep": time.sleep(60)
    if what == "print": print("printed \u043f"); os.system("echo of a child"); return {}
    if what == "fork":
        if os.fork() == 0: return "of the child"
        time.sleep(0.2)
        return "of the parent"
    if what == "left":
        child = subprocess.Popen(["sleep", "60"])
        return str(child.pid)
    if what == "close": os.close(4); time.sleep(60)
    if what == "garbage": os.write(4, b"garbage\n"); return 1
    if what == "early": os.write(4, b'{"id":"x","kind":"answer","length":2}\n{}'); return 1
    if what == "twice": os.write(4, ('{"id":"%s","kind":"answer","length":2}\n[]' % context.request_id).encode()); return 1
    if what == "later":
        import threading
        forged = ('{"id":"%s","kind":"answer","length":2}\n[]' % context.request_id).encode()
        threading.Timer(0.3, os.write, (4, forged)).start()
        return 1
    if what == "wait": time.sleep(1); return "waited"
    if what == "session":
        child = subprocess.Popen(["sh", "-c", "trap '' TERM; (setsid sleep 60 & echo $!; wait) & sleep 60"], start_new_session=True, stdout=subprocess.PIPE, text=True)
        return [child.pid, int(child.stdout.readline())]
    if what == "temporary": return tempfile.mkstemp()[1]
    if what == "failtoken": raise ValueError("Authorization: " + context.token["access_token"])
    if what == "length": os.write(4, ('{"id":"%s","kind":"answer","length":-1}\n' % context.request_id).encode()); return 1
    if what == "endless": os.write(4, b"x" * 100000); return 1
    if what == "home": return os.environ["HOME"] + " " + str(os.listdir(os.environ["HOME"]))
    if what == "cwd": return os.getcwd()
    if what == "env": return " ".join(sorted(os.environ))
    if what == "descriptors": return " ".join(sorted(fd for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)))
    if what == "stdin": return sys.stdin.read()
    return repr(event)

async def later(event, context):
    await asyncio.sleep(0)
    return {"loop": id(asyncio.get_running_loop())}
`

func TestPython(t *testing.T) {
	needs(t, "python3")
	path := write(t, "fn.py", pythonHandlers)
	r, log := start(t, nil, path)
	for event, want := range map[string]string{
		`{"do":"bytes"}`: "\xff\x00", `text`: "plain п", `"none"`: "null", `[1]`: "[1]", ``: "''", "\xff": `b'\xff'`,
		`stdin`: "", `cwd`: filepath.Dir(path), `{"do":"nearly"}`: strings.Repeat("x", 3_670_016),
	} {
		wants(t, r, event, want)
	}
	if got := fails(t, r, "raise", "KeyError", "k"); len(got.Stack) != 1 || !strings.Contains(got.Stack[0], "fn.py") || got.Status != 502 || !got.Own {
		t.Errorf("%+v", got)
	}
	fails(t, r, "exit", "SystemExit", "3")
	fails(t, r, "object", "TypeError", "not JSON serializable")
	before, _ := invoke(r, "pid")
	wants(t, r, "pid", before) // none of that ended the process
	wants(t, r, "print", "{}")
	r.Close()
	_, after, said := strings.Cut(log.String(), "printed п\n") // the call's own end may come between: it is another pipe
	if !said || !strings.Contains(after, "of a child\n") {
		t.Errorf("log: %s", log)
	}
	if got, err := invoke(r, "pid"); err == nil {
		t.Errorf("a closed function answers %q", got)
	}
}

// TestPythonHostile: what a handler does to its process costs it that process,
// and no other call.
func TestPythonHostile(t *testing.T) {
	needs(t, "python3")
	r, _ := start(t, nil, write(t, "fn.py", pythonHandlers))
	last := ""
	fresh := func() { // the process is a new one
		t.Helper()
		pid, err := invoke(r, "pid")
		if err != nil || pid == last {
			t.Errorf("pid %q, %v; before %s", pid, err, last)
		}
		last = pid
	}
	fresh()
	fails(t, r, "crash", "RuntimeExit", "exit status 9")
	fresh()
	fails(t, r, "big", "ResponseTooLarge", "3670016")
	fresh()
	fails(t, r, "garbage", "RuntimeError", "nobody asked")
	fresh()
	fails(t, r, "early", "RuntimeError", "nobody asked")
	fresh()
	fails(t, r, "length", "RuntimeError", "nobody asked")
	fresh()
	fails(t, r, "endless", "RuntimeError", "nobody asked")
	fresh()
	fails(t, r, "close", "RuntimeExit", "")
	fresh()
	wants(t, r, "fork", "of the parent")
	wants(t, r, "pid", last)
}

// TestLateAnswers: what a process answers besides is no answer to the next call.
func TestLateAnswers(t *testing.T) {
	needs(t, "python3")
	r, _ := start(t, nil, write(t, "fn.py", pythonHandlers))
	wants(t, r, "twice", "[]")
	wants(t, r, "none", "null")
	wants(t, r, "later", "1")
	wants(t, r, "wait", "waited")
	wants(t, r, "none", "null")
}

// TestFailureHidesTokens: an error's text has the handler's token by accident.
func TestFailureHidesTokens(t *testing.T) {
	needs(t, "python3")
	r, log := start(t, func(f *function.Function) {
		f.Token = tokens(iamclient.Token{Text: iam.NewSecret("t1.secret.token"), ExpiresAt: time.Now().Add(time.Hour)})
	}, write(t, "fn.py", pythonHandlers))
	f := fails(t, r, "failtoken", "ValueError", "Authorization: *** hidden ***")
	if text := string(f.JSON()) + log.String(); strings.Contains(text, "t1.secret") {
		t.Error(text)
	}
}

// TestOwnSessions: a process in a session of its own ends with the function's, at
// a timeout as at the end.
func TestOwnSessions(t *testing.T) {
	needs(t, "python3", "setsid")
	if runtime.GOOS != "linux" {
		t.Skip("finds them in /proc")
	}
	r, _ := start(t, func(f *function.Function) { f.Timeout = 3 * time.Second; f.Instances = 2 }, write(t, "fn.py", pythonHandlers))
	session := func() (pids []string) {
		t.Helper()
		text, err := invoke(r, "session")
		var numbers []int
		if err != nil || json.Unmarshal([]byte(text), &numbers) != nil || len(numbers) != 2 {
			t.Fatalf("%s: %v", text, err)
		}
		return []string{strconv.Itoa(numbers[0]), strconv.Itoa(numbers[1])}
	}
	pids := session()
	fails(t, r, "sleep", "TimeoutError", "3s")
	for _, pid := range pids {
		gone(t, pid)
	}
	pids = session()
	r.Close()
	for _, pid := range pids {
		gone(t, pid)
	}
}

// TestTemporaryFiles: what a handler leaves in its temporary folder goes with it.
func TestTemporaryFiles(t *testing.T) {
	needs(t, "python3")
	r, _ := start(t, nil, write(t, "fn.py", pythonHandlers))
	file, err := invoke(r, "temporary")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	r.Close()
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", file, err)
	}
}

// TestPythonPackages: a module of a package is imported as one, from the folder
// that holds the package.
func TestPythonPackages(t *testing.T) {
	needs(t, "python3")
	dir := filepath.Join(t.TempDir(), "a folder of mine")
	for name, text := range map[string]string{
		"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/words.py": "word = 'found'\n", "other.py": "more = ' too'\n",
		"pkg/sub/fn.py": "import os\nimport other\nfrom ..words import word\nfrom pkg import words\ndef handler(event, context):\n    return __name__ + ' ' + word + other.more + ' ' + os.getcwd()\n",
		"plain/fn.py":   "import near\ndef handler(event, context): return near.near + __name__\n", "plain/near.py": "near = 'near '\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"pkg.sub.fn.handler": "pkg.sub.fn found too " + root, "pkg/sub/fn.handler": "pkg.sub.fn found too " + root, "pkg/sub/fn.py": "pkg.sub.fn found too " + root,
		"plain/fn.handler": "near fn", "plain/fn.py": "near fn",
	} {
		r, _ := start(t, nil, word)
		wants(t, r, "", want)
	}
}

func TestTimeout(t *testing.T) {
	needs(t, "python3")
	r, _ := start(t, func(f *function.Function) { f.Timeout = 3 * time.Second }, write(t, "fn.py", pythonHandlers))
	before, err := invoke(r, "pid")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if f := fails(t, r, "sleep", "TimeoutError", "3s"); f.Status != 504 {
		t.Errorf("status %d", f.Status)
	}
	if took := time.Since(began); took < 2900*time.Millisecond || took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	if runtime.GOOS == "linux" {
		gone(t, before)
	}
	after, err := invoke(r, "pid")
	if err != nil || after == before {
		t.Errorf("pid %s after %s: %v", after, before, err)
	}
}

// TestEndsWithItsChildren: nothing of a function outlives it.
func TestEndsWithItsChildren(t *testing.T) {
	needs(t, "python3")
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	r, _ := start(t, nil, write(t, "fn.py", pythonHandlers))
	child, err := invoke(r, "left")
	if err != nil {
		t.Fatal(err)
	}
	own, _ := invoke(r, "pid")
	home, _ := invoke(r, "home")
	r.Close()
	gone(t, child)
	gone(t, own)
	folder, rest, _ := strings.Cut(home, " ")
	if rest != "[]" {
		t.Errorf("home: %s", home)
	}
	if _, err := os.Stat(filepath.Dir(folder)); err == nil {
		t.Errorf("%s is left", filepath.Dir(folder))
	}
}

// TestDescriptors: a handler gets its own descriptors and none of the caller's.
func TestDescriptors(t *testing.T) {
	needs(t, "python3")
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	fd, err := syscall.Dup(2) // open for programs that are started
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	r, _ := start(t, nil, write(t, "fn.py", pythonHandlers))
	wants(t, r, "descriptors", "0 1 2 3 4")
}

func TestPythonAsync(t *testing.T) {
	needs(t, "python3")
	path := write(t, "fn.py", pythonHandlers)
	r, _ := start(t, nil, strings.TrimSuffix(path, ".py")+".later")
	first, err := invoke(r, "")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, r, "", first) // one loop for all calls
}
