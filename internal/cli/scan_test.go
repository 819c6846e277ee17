package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/leak"
)

// scanner runs `propusk scan` and sees that no secret is ever printed.
type scanner struct {
	secrets     []string
	environ     []string
	stdin       io.Reader
	interactive bool
}

func (s *scanner) apiKey() string {
	secret, _ := credential.NewAPIKey()
	s.secrets = append(s.secrets, secret.Reveal())
	return secret.Reveal()
}

func (s *scanner) accessSecret() string {
	_, secret := credential.NewAccessKey()
	s.secrets = append(s.secrets, secret.Reveal())
	return secret.Reveal()
}

func (s *scanner) run(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := cli.Scan(t.Context(), cli.Environment{
		Environ: append(os.Environ(), s.environ...), Stdin: s.stdin, Stdout: &stdout, Stderr: &stderr, Now: time.Now}, s.interactive, args)
	s.hidden(t, stdout.String(), stderr.String())
	if err != nil {
		s.hidden(t, err.Error())
	}
	return ran{stdout.String(), stderr.String(), err}
}

func (s *scanner) hidden(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, secret := range s.secrets {
			if strings.Contains(text, secret[8:len(secret)-8]) {
				t.Error("a secret is printed")
			}
		}
	}
}

// exit is the code that a scan ends with.
func (r ran) exit(t *testing.T, code int) ran {
	t.Helper()
	got := 0
	if o, ok := errors.AsType[*cli.ScanOutcome](r.err); ok {
		got = o.Code
	} else if r.err != nil {
		t.Fatal(r.err)
	}
	if got != code {
		t.Errorf("exit code %d, want %d; %s%s", got, code, r.stdout, r.stderr)
	}
	return r
}

// tree writes files into a fresh folder, which becomes the current one.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, files)
}

func write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// places are the lines of a text report up to the kind.
func places(out string) []string {
	var all []string
	for line := range strings.Lines(out) {
		place, _, _ := strings.Cut(line, ": ")
		all = append(all, place)
	}
	return all
}

func TestScanFiles(t *testing.T) {
	var s scanner
	key, secret := s.apiKey(), s.accessSecret()
	files := map[string]string{
		"a.go":                 "package a\n\nconst ключ = \"" + key + "\"\n",
		"b/deep/er/x.env":      "AWS_SECRET_ACCESS_KEY=" + secret + "\nAPI_KEY=" + key + "\n",
		"b/binary":             "\x00\x01" + secret + "\x00",
		"b/let.be":             "x: " + key + " # propusk:allow, of a test\n",
		"c/empty":              "",
		".git/config":          key,
		"b/deep/.git/packed":   key,
		"docs/skipped.md":      key,
		"web/app.min.js":       key,
		"web/lib/app.min.js":   key,
		"web/gen/a/b/c.txt":    key,
		"web/gen/a/keep/c.txt": key,
		".propuskignore":       "# what may be there\n\n/docs/\n*.min.js\nweb/**/b\n",
	}
	tree(t, files)
	want := []string{"a.go:3:15", "b/binary:1:3", "b/deep/er/x.env:1:23", "b/deep/er/x.env:2:9", "web/gen/a/keep/c.txt:1:1"}
	r := s.run(t).exit(t, 1)
	if diff := cmp.Diff(want, places(r.stdout)); diff != "" {
		t.Error(diff)
	}
	if line, _, _ := strings.Cut(r.stdout, "\n"); line != "a.go:3:15: yandex_cloud_api_key_v1 AQVN****"+key[34:] {
		t.Errorf("printed %q", line)
	}
	if r.err.Error() != "5 found" || r.stderr != "" {
		t.Errorf("ended with %q, %q", r.err, r.stderr)
	}

	r = s.run(t, ".", "--exclude", "web", "--exclude", "b/d*", "--quiet").exit(t, 1)
	if r.stdout != "" || r.stderr != "" || r.err.Error() != "" {
		t.Errorf("quiet is %q, %q, %q", r.stdout, r.stderr, r.err)
	}
	if got := places(s.run(t, "--exclude", "web", "--exclude", "b/d*", "b", "a.go").exit(t, 1).stdout); !cmp.Equal(got,
		[]string{"b/binary:1:3", "b/deep/er/x.env:1:23", "b/deep/er/x.env:2:9", "a.go:3:15"}) {
		t.Errorf("paths and globs give %q", got) // globs count from PATH on
	}
	if got := places(s.run(t, "--max-size", "50").exit(t, 1).stdout); !cmp.Equal(got, []string{"b/binary:1:3", "web/gen/a/keep/c.txt:1:1"}) {
		t.Errorf("up to 50 bytes there are %q", got)
	}
	if got := s.run(t, "c").exit(t, 0); got.stdout != "" {
		t.Errorf("an empty file holds %q", got.stdout)
	}
}

// A fingerprint in the ignore file is a credential to let be wherever it stands.
func TestScanIgnoresFingerprints(t *testing.T) {
	var s scanner
	key := s.apiKey()
	tree(t, map[string]string{"a": key, "b": "\n" + key})
	var got struct {
		Findings []struct{ Fingerprint string }
	}
	if err := json.Unmarshal([]byte(s.run(t, "--format", "json").exit(t, 1).stdout), &got); err != nil || len(got.Findings) != 2 {
		t.Fatal(err, got)
	}
	write(t, map[string]string{".propuskignore": "fingerprint " + got.Findings[0].Fingerprint + "\n"})
	s.run(t).exit(t, 0)
	write(t, map[string]string{"c": s.apiKey()})
	s.run(t).exit(t, 1)
}

// An authorized key has one fingerprint, however its lines are written.
func TestScanKeyFile(t *testing.T) {
	var s scanner
	file := keyText(t)
	var key struct {
		Private string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(file), &key); err != nil {
		t.Fatal(err)
	}
	s.secrets = append(s.secrets, key.Private[100:300], file[1000:1200])
	tree(t, map[string]string{"key.json": file, "key.pem": key.Private})
	var got struct {
		Findings []struct {
			Kind                leak.Kind
			Masked, Fingerprint string
		}
	}
	if err := json.Unmarshal([]byte(s.run(t, "--format", "json").exit(t, 1).stdout), &got); err != nil || len(got.Findings) != 2 {
		t.Fatal(err, got)
	}
	if a, b := got.Findings[0], got.Findings[1]; a != b || a.Kind != leak.AuthorizedKey || a.Masked != "key ajekey" {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestScanLinksAndPipes(t *testing.T) {
	var s scanner
	tree(t, map[string]string{"in/clean": "x", "out/a": s.apiKey()})
	for link, to := range map[string]string{"in/file": "../out/a", "in/folder": "../out", "in/nowhere": "gone", "in/loop": ".", "named": "out/a", "folder": "out"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	makePipe(t, "in/pipe")
	s.run(t, "in").exit(t, 0)
	// What is named on the command line is meant.
	if got := places(s.run(t, "named").exit(t, 1).stdout); !cmp.Equal(got, []string{"out/a:1:1"}) {
		t.Errorf("%q", got)
	}
	if got := places(s.run(t, "folder").exit(t, 1).stdout); !cmp.Equal(got, []string{"folder/a:1:1"}) {
		t.Errorf("%q", got)
	}
	r := s.run(t, "in/pipe", "in/clean").exit(t, 3)
	if r.stderr != "propusk scan: in/pipe: is no regular file\n" && !strings.Contains(r.stderr, "in/pipe is no regular file") {
		t.Errorf("%q", r.stderr)
	}
}

func TestScanInput(t *testing.T) {
	var s scanner
	s.stdin = strings.NewReader("x\n y " + s.apiKey())
	if got := places(s.run(t, "-").exit(t, 1).stdout); !cmp.Equal(got, []string{"-:2:4"}) {
		t.Errorf("%q", got)
	}
	s.stdin = io.MultiReader(strings.NewReader("x"), failing{})
	r := s.run(t, "-", "--format", "json").exit(t, 3)
	if !strings.Contains(r.stdout, `"problems": [{"path":"-","error":"-: broken"}]`) {
		t.Errorf("%s", r.stdout)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

// A wait for input ends when the person has had enough.
func TestScanInputInterrupted(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	err := cli.Scan(ctx, cli.Environment{Stdin: r, Stdout: io.Discard, Stderr: io.Discard, Now: time.Now}, false, []string{"-"})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Findings come in the order of the files, and not twice, however many work.
func TestScanManyFiles(t *testing.T) {
	var s scanner
	key := s.apiKey()
	files := map[string]string{}
	var want []string
	for i := range 600 {
		name := "d" + string(rune('a'+i/100)) + "/" + string(rune('a'+i%100/10)) + string(rune('a'+i%10))
		files[name] = strings.Repeat("word\n", i*37%5000) + key
		want = append(want, name)
	}
	tree(t, files)
	var got []string
	for _, place := range places(s.run(t).exit(t, 1).stdout) {
		name, _, _ := strings.Cut(place, ":")
		got = append(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A reader that has gone away ends it.
	err := cli.Scan(t.Context(), cli.Environment{Stdout: brokenPipe{}, Stderr: io.Discard, Now: time.Now}, false, nil)
	if err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Error(err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

func TestScanMisused(t *testing.T) {
	var s scanner
	tree(t, map[string]string{"a": "", "b/.propuskignore": "[\n"})
	for _, c := range []struct{ args, text string }{
		{"--format yaml", "not text, json or sarif"},
		{"- a", "scanned alone"},
		{"- --history", "not standard input"},
		{"gone", "gone"},
		{"--yes", "--yes goes with --revoke"},
		{"--revoke", "nobody can be asked"},
		{"- --revoke", "nobody can be asked"},
		{"--exclude [", "no glob"},
		{"--exclude /", "empty"},
		{"--exclude !a", "no way"},
		{"--max-size 5X", "number of bytes"},
		{"--max-size 99999999999G", "number of bytes"},
		{"--max-size=-1", "number of bytes"},
		{"b", ".propuskignore:1"},
		{"--history b", ".propuskignore:1"},
		{"--history a", "--history"},
		{"--nothing", "nothing"},
		{"--verify --endpoint nowhere", "host:port"},
		{"--verify", "say who you are"},
	} {
		s.run(t, strings.Fields(c.args)...).misused(t, c.text)
	}
	if r := s.run(t, "-h"); !errors.Is(r.err, flag.ErrHelp) || !strings.Contains(r.stdout, "--max-size") {
		t.Errorf("%v %s", r.err, r.stdout)
	}
}
