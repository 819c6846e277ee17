//go:build unix

package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/cli/profile"
)

func change(t *testing.T, path string, edit func(*profile.File) error) string {
	t.Helper()
	if err := profile.Change(path, edit); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCommentsStay: those that belong to no property too.
func TestCommentsStay(t *testing.T) {
	for text, want := range map[string]string{
		"# whose\n\n# and why\n\ncurrent: a\nprofiles:\n  a: {cloud-id: b}\n\n# the end\n": "# whose\n\n# and why\n\ncurrent: a\nprofiles:\n  a: {folder-id: x}\n\n# the end\n",
		"# nothing yet\n": "# nothing yet\n\ncurrent: a\nprofiles:\n  a:\n    folder-id: x\n",
	} {
		got := change(t, write(t, text), func(f *profile.File) error {
			return errors.Join(f.Set("a", "folder-id", "x"), f.Unset("a", "cloud-id"))
		})
		if d := cmp.Diff(want, strings.ReplaceAll(got, "a:\n    folder-id: x\n\n#", "a: {folder-id: x}\n\n#")); d != "" {
			t.Errorf("%q: -want +got:\n%s", text, d)
		}
	}
}

func TestWarnings(t *testing.T) {
	for text, want := range map[string][]string{
		"current: a\nprofiles:\n  a: {endpoint: 'x:1', services: {iam: {version: v1}}}\n": nil,
		"": nil,
		"current: a\ncolour: red\nprofiles:\n  a:\n    cloud-id: x\n    shape: round\n  b: {size: 1}\n": {
			`line 2: there is no property "colour"; it is kept, and not used`, `line 6: there is no property "shape"; it is kept, and not used`},
		"profiles: {b: {}}\ncurrent: gone\n": {"line 2: the active profile \"gone\" is not there; `config profile activate` chooses another"},
	} {
		f, err := profile.Read(write(t, text))
		if err != nil {
			t.Fatal(err)
		}
		got := f.Warnings(f.Current())
		if len(got) != len(want) {
			t.Errorf("%q: %q", text, got)
			continue
		}
		for i := range want {
			if !strings.HasSuffix(got[i], want[i]) {
				t.Errorf("%q, want %q", got[i], want[i])
			}
		}
	}
}

// TestOpenFolder: who may write to the folder may put another file there.
func TestOpenFolder(t *testing.T) {
	path := write(t, "current: a\nprofiles: {a: {cloud-id: x}}\n")
	for mode, want := range map[os.FileMode]bool{0o755: false, 0o775: false, 0o777: true, 0o777 | os.ModeSticky: false} {
		if err := os.Chmod(filepath.Dir(path), mode); err != nil {
			t.Fatal(err)
		}
		f, err := profile.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Warnings("a"), " "); strings.Contains(got, "may put another file") != want {
			t.Errorf("%v: %q", mode, got)
		}
	}
}

// TestNoFile: what is no file is refused at once, whoever would be at its other end.
func TestNoFile(t *testing.T) {
	folder := t.TempDir()
	pipe, nothing, loop, away := filepath.Join(folder, "pipe"), filepath.Join(folder, "nothing"), filepath.Join(folder, "loop"), filepath.Join(folder, "away")
	for _, err := range []error{syscall.Mkfifo(pipe, 0o600), os.Symlink("no/such", nothing), os.Symlink("loop", loop), os.Symlink("no/such", away)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	keep := func(f *profile.File) error { return f.Set("a", "cloud-id", "x") }
	for path, want := range map[string]string{
		pipe: "is no file", nothing: "is a symbolic link to nothing", loop: "too many", "/dev/zero": "is no file", folder: "is no file",
	} {
		if _, err := profile.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: read: %v", path, err)
		}
		if err := profile.Change(path, keep); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: changed: %v", path, err)
		}
	}
	err := profile.Change(filepath.Join(away, "config.yaml"), keep)
	if err == nil || !strings.Contains(err.Error(), "the folder "+away+" is a symbolic link to nothing") {
		t.Errorf("%v", err)
	}
	// A lock is never taken through a link that somebody has put there.
	path := write(t, "current: a\n")
	target := filepath.Join(folder, "target")
	if err := os.Symlink(target, path+".lock"); err != nil {
		t.Fatal(err)
	}
	if err := profile.Change(path, keep); err == nil {
		t.Error("locked through a link")
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("what the link names was made")
	}
}

func TestTooLarge(t *testing.T) {
	path := write(t, "current: a\nprofiles:\n  a: {cloud-id: x}\n# "+strings.Repeat("x", 1<<20-100)+"\n")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = profile.Change(path, func(f *profile.File) error { return f.Set("a", "token", strings.Repeat("y", 200)) })
	if err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file is another: %d bytes, %v", len(after), err)
	}
	if _, err := profile.Read(write(t, strings.Repeat("# x\n", 1<<19))); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("%v", err)
	}
}

// TestTornFilesGo: what a killed process has left is removed by the next.
func TestTornFilesGo(t *testing.T) {
	path := write(t, "current: a\n")
	torn := filepath.Join(filepath.Dir(path), ".config.yaml.new-123")
	other := filepath.Join(filepath.Dir(path), ".other.yaml.new-123")
	for _, name := range []string{torn, other} {
		if err := os.WriteFile(name, []byte("current"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change(t, path, func(f *profile.File) error { return f.Set("a", "cloud-id", "x") })
	if _, err := os.Stat(torn); err == nil {
		t.Error("it stays")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("another file's is gone")
	}
}

func TestCheckEndpoint(t *testing.T) {
	for text, want := range map[string]bool{
		"iam.example:443": true, "127.0.0.1:1": true, "[::1]:4430": true,
		"": false, "iam.example": false, ":443": false, "x:": false, "x:0": false, "x:65536": false, "x:https": false,
		"https://x:443": false, "u@x:443": false, "a b:443": false, "::1:443": false,
	} {
		if err := profile.CheckEndpoint(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzChange: whatever file is read, is read the same after it was written, and
// a property that is set is there.
func FuzzChange(f *testing.F) {
	for _, seed := range []string{whole, "", "# a\n", "a: 1\n", "profiles: {a: {b: [1, {c: d}]}}\n# x\n", "current: !!str a\n", "a: |\n  b\n  c\n", "? a\n: b\n", "a: &x 1\n", "%YAML 1.1\n---\na: 1\n", "a: \"\\x01\"\n"} {
		f.Add([]byte(seed), "v")
	}
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		if _, err := profile.Parse(text); err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := profile.Change(path, func(f *profile.File) error { return f.Set("a", "cloud-id", value) }); err != nil {
			if after, rerr := os.ReadFile(path); rerr != nil || string(after) != string(text) {
				t.Fatalf("%v, and the file is %q, %v", err, after, rerr)
			}
			return
		}
		f, err := profile.Read(path)
		if err != nil || f.Get("a", "cloud-id") != value {
			after, _ := os.ReadFile(path)
			t.Fatalf("%v: %q is %q in %q", err, value, f.Get("a", "cloud-id"), after)
		}
	})
}
