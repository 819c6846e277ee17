//go:build unix

package function_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
)

const pythonHandlers = `
import asyncio, os, subprocess, sys, time

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
	if !strings.Contains(log.String(), "printed п\nof a child\n") {
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
