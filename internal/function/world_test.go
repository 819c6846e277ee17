package function_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/resource"
)

// book is a log that tests may read while it is written.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// needs skips a test where a tool is missing, which CI does not.
func needs(t *testing.T, tools ...string) {
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

// write puts a file into a folder of the test's own and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts a function of the handler that words name.
func start(t *testing.T, change func(*function.Function), words ...string) (*function.Runner, *book) {
	t.Helper()
	h, err := function.Find(words, "")
	if err != nil {
		t.Fatal(err)
	}
	environ, err := function.Environment(os.Environ(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := &book{}
	f := function.Function{Handler: h, ID: "d4efunction", Version: "d4eversion", FolderID: "b1gfolder", Memory: 128,
		Timeout: 20 * time.Second, Instances: 1, Environ: environ, Log: function.NewLogbook(log), Now: time.Now}
	if change != nil {
		change(&f)
	}
	r, err := function.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, log
}

func invoke(r *function.Runner, event string) (string, error) {
	got, err := r.Invoke(context.Background(), function.Call{RequestID: resource.NewUUID(), Event: []byte(event)})
	return string(got), err
}

func wants(t *testing.T, r *function.Runner, event, want string) {
	t.Helper()
	got, err := invoke(r, event)
	if err != nil || got != want {
		t.Errorf("%s: got %q, %v; want %q", event, got, err, want)
	}
}

// fails calls a function that must fail with a type, and a text in its message.
func fails(t *testing.T, r *function.Runner, event, kind, text string) *function.Failure {
	t.Helper()
	got, err := invoke(r, event)
	f, ok := errors.AsType[*function.Failure](err)
	if !ok {
		t.Fatalf("%s: got %q, %v; want a failure %s", event, got, err, kind)
	}
	if f.Type != kind || !strings.Contains(f.Message, text) {
		t.Errorf("%s: %s: %s; want %s: …%s…", event, f.Type, f.Message, kind, text)
	}
	return f
}

// gone waits until nobody has a process id.
func gone(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s lives on", pid)
		}
	}
}
