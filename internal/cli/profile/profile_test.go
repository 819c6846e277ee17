package profile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
)

const whole = `# mine
current: work
colour: blue # kept
profiles:
  work:
    token: y0_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP
    endpoint: iam.example:443
    services:
      iam:
        version: v1
    unknown: {a: [1, 2]}
  home: {}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChangeKeepsTheRest(t *testing.T) {
	path := write(t, whole)
	err := profile.Change(path, func(f *profile.File) error {
		for _, p := range [][2]string{{"folder-name", "main"}, {"folder-id", "b1gfolder"}, {"services.iam.version", "v0"}, {"instance-service-account", "true"}} {
			if err := f.Set("work", p[0], p[1]); err != nil {
				return err
			}
		}
		return f.Unset("work", "endpoint")
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `# mine
current: work
colour: blue # kept
profiles:
  work:
    services:
      iam:
        version: v0
    unknown: {a: [1, 2]}
    folder-id: b1gfolder
    instance-service-account: true
  home: {}
`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestProfiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "config.yaml")
	edit := func(do func(*profile.File) error) error { return profile.Change(path, do) }
	if err := edit(func(f *profile.File) error { return f.Set("default", "cloud-id", "yes") }); err != nil {
		t.Fatal(err)
	}
	if err := edit(func(f *profile.File) error { return f.Create("test") }); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		do   func(*profile.File) error
		want string
	}{
		"made twice":        {func(f *profile.File) error { return f.Create("test") }, "is there already"},
		"bad name":          {func(f *profile.File) error { return f.Create("Test") }, "is no name of a profile"},
		"the active":        {func(f *profile.File) error { return f.Delete("test") }, "is the active one"},
		"none of that name": {func(f *profile.File) error { return f.Activate("nope") }, `there is no profile "nope"`},
		"deleted, no such":  {func(f *profile.File) error { return f.Delete("nope") }, `there is no profile "nope"`},
		"no property":       {func(f *profile.File) error { return f.Set("test", "colour", "blue") }, `there is no property "colour"`},
		"no property unset": {func(f *profile.File) error { return f.Unset("test", "colour") }, `there is no property "colour"`},
		"no key file":       {func(f *profile.File) error { return f.Set("test", "service-account-key", "no/such") }, "key file"},
		"no format":         {func(f *profile.File) error { return f.Set("test", "format", "xml") }, "format"},
		"lines":             {func(f *profile.File) error { return f.Set("test", "token", "a\nb") }, "more than one line"},
	} {
		if err := edit(c.do); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	f, err := profile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Get("default", "cloud-id"); got != "yes" || f.Current() != "test" || !cmp.Equal(f.Names(), []string{"default", "test"}) {
		t.Errorf("%q, %q, %v", got, f.Current(), f.Names())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestKeyIsInlined(t *testing.T) {
	private, err := keyfile.Generate(iam.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keyfile.PublicKeyText(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyfile.New(iam.Key{ID: "ajekey", ServiceAccountID: "ajerobot", Algorithm: iam.RSA2048, PublicKey: public, CreatedAt: time.Unix(1, 0)}, private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := key.Write(file); err != nil {
		t.Fatal(err)
	}
	path := write(t, whole)
	if err := profile.Change(path, func(f *profile.File) error { return f.Set("work", "service-account-key", file) }); err != nil {
		t.Fatal(err)
	}
	f, err := profile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Map("work", "service-account-key"); got["private_key"] != key.PrivateKey.Reveal() || got["id"] != "ajekey" || len(got) != 6 {
		t.Errorf("the key is kept as %d fields of %q", len(got), got["id"])
	}
	if f.Get("work", "token") != "" {
		t.Error("the token stays beside the key")
	}
	listed, err := f.List("work")
	if err != nil || strings.Contains(string(listed), "PRIVATE") || !strings.Contains(string(listed), "private_key: '*** hidden ***'") {
		t.Errorf("%v, %s", err, listed)
	}
}

func TestListAbbreviates(t *testing.T) {
	f, err := profile.Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := f.List("work")
	if err != nil || !strings.Contains(string(listed), "token: y0_abcde...MNOP\n") {
		t.Errorf("%v, %s", err, listed)
	}
	if text, err := f.Value("work", "token"); err != nil || len(text) != 56 {
		t.Errorf("%v, %d bytes", err, len(text))
	}
}

func TestBroken(t *testing.T) {
	for text, want := range map[string]string{
		"current: [a\nprofiles":          "broken YAML: line",
		"current: a\n\ttoken: t1.secret": "broken YAML: line 2: found a tab character",
		"a: 1\nb: [x\nc: 2\n":            "broken YAML: line 2: did not find expected ',' or ']'",
		"a: {\n":                         "broken YAML: line ",
		"a: 1\n  b: 2\n":                 "broken YAML: line 2: mapping values are not allowed in this context",
		"a: [1\n]x: 3\nb: 1\n":           "broken YAML: line 2: mapping values",
		"a: *t1\n":                       "broken YAML: line 1: unknown anchor",
		"profiles: hello":                "line 1: profiles must be names",
		"current: {}\n":                  "line 1: current must be",
		"- a":                            "line 1: current and profiles are expected",
		"profiles:\n  a: t1.secret":      `line 2: profile "a" must be`,
		"profiles:\n  a: {}\n  a: {}":    "line 3",
		"profiles:\n  a: &x {}\n  b: *x": "line 3: aliases",
		"profiles: {a: {token: {? [t1.secret] : b}}}":   "a name must be a text",
		strings.Repeat("[", 10000):                      "",
		"profiles: " + strings.Repeat("{a: ", 50) + "1": "",
	} {
		_, err := profile.Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "t1.secret") {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, empty := range []string{"", "\n", "---\n", "# only words\n", "profiles:\n", "profiles:\n  a:\n"} {
		if f, err := profile.Parse([]byte(empty)); err != nil || f.Current() != "default" || f.Get("a", "token") != "" {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestSymlinksAndModes(t *testing.T) {
	path := write(t, whole)
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := profile.Read(link)
	if err != nil || !strings.Contains(strings.Join(f.Warnings("work"), "\n"), "0644") {
		t.Errorf("%v, %q", err, f.Warnings("work"))
	}
	if err := profile.Change(link, func(f *profile.File) error { return f.Activate("home") }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	f, err = profile.Read(path)
	if err != nil || f.Current() != "home" || len(f.Warnings("home")) != 1 {
		t.Errorf("%v, %q, %q", err, f.Current(), f.Warnings("home"))
	}
	torn := filepath.Join(t.TempDir(), "torn.yaml")
	if err := os.Symlink("/no/such/file", torn); err != nil {
		t.Fatal(err)
	}
	if err := profile.Change(torn, func(*profile.File) error { return nil }); err == nil || !strings.Contains(err.Error(), "symbolic link to nothing") {
		t.Errorf("%v", err)
	}
	if _, err := profile.Read(t.TempDir()); err == nil {
		t.Error("a folder is read as a file")
	}
}

// TestPath: own folder, XDG's when that is absolute.
func TestPath(t *testing.T) {
	h := t.TempDir()
	for _, c := range []struct{ xdg, home, want string }{
		{"", h, h + "/.config/propusk/config.yaml"},
		{"/x", h, "/x/propusk/config.yaml"},
		{"x", h, h + "/.config/propusk/config.yaml"},
		{"", "", ""},
	} {
		got, err := profile.Path(func(name string) string { return map[string]string{"HOME": c.home, "XDG_CONFIG_HOME": c.xdg}[name] })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// TestProcessesAtOnce: of several processes that change the file at once, none
// loses what another wrote.
func TestProcessesAtOnce(t *testing.T) {
	if path := os.Getenv("PROFILE_PATH"); path != "" {
		for i := range 20 {
			if err := profile.Change(path, func(f *profile.File) error { return f.Create(fmt.Sprintf("%s-%d", os.Getenv("PROFILE_NAME"), i)) }); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	var all []*exec.Cmd
	for _, name := range []string{"a", "b", "c"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessesAtOnce$")
		cmd.Env = append(os.Environ(), "PROFILE_PATH="+path, "PROFILE_NAME="+name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	f, err := profile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Names()); n != 60 {
		t.Errorf("%d profiles of 60", n)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 2 {
		t.Errorf("%v, %v: only the file and its lock are to stay", files, err)
	}
}

// FuzzParse: whatever stands in a file, it is read or refused, and what is read
// and changed is read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{whole, "", "a", "profiles:\n  a: {token: x}", "current: 1\nprofiles: {1: {}}", "profiles: ~", "- a", "\t", "{", "&a [*a]", "profiles: {default: {services: 1}}", "? a\n: b", "%YAML 1.2\n---\n", "---\n---\n", "profiles: {default: {token: !!binary aGk=}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := profile.Parse([]byte(text))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		names := len(read.Names())
		had := read.Has("default")
		err = profile.Change(path, func(f *profile.File) error { return f.Set("default", "folder-id", "b1g") })
		if err != nil {
			t.Fatalf("%q cannot be changed: %v", text, err)
		}
		again, err := profile.Read(path)
		if err != nil {
			t.Fatalf("%q is changed to what cannot be read: %v", text, err)
		}
		if !had {
			names++
		}
		if again.Get("default", "folder-id") != "b1g" || len(again.Names()) != names {
			t.Errorf("%q: %v of %d", text, again.Names(), names)
		}
		_, _ = again.List("default")
	})
}
