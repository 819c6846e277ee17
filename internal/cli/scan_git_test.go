package cli_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// repository runs git in the current folder as nobody in particular.
type repository struct{ t *testing.T }

func (r repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgSign=false", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits everything and gives the commit's id.
func (r repository) commit(message string) string {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

func TestScanHistory(t *testing.T) {
	var s scanner
	gone, elsewhere, inMessage, inTag, merged, present := s.apiKey(), s.apiKey(), s.apiKey(), s.apiKey(), s.apiKey(), s.apiKey()
	tree(t, map[string]string{"a/ключ b": "\n\tx = " + gone, "skipped/x": s.apiKey()})
	r := repository{t}
	r.git("init", "-q")
	first := r.commit("first")
	if err := os.Rename("a/ключ b", "moved"); err != nil { // the same version under another name
		t.Fatal(err)
	}
	r.commit("second")
	if err := os.Remove("moved"); err != nil {
		t.Fatal(err)
	}
	third := r.commit("oh: " + inMessage)
	r.git("checkout", "-q", "-b", "side")
	write(t, map[string]string{"side": elsewhere})
	side := r.commit("side")
	r.git("checkout", "-q", "main")
	write(t, map[string]string{"main": "x"})
	r.commit("main")
	r.git("merge", "-q", "--no-commit", "side")
	write(t, map[string]string{"side": merged}) // only the merge has it
	merge := r.commit("merge")
	write(t, map[string]string{"side": "", ".propuskignore": "skipped"})
	r.commit("clean")
	r.git("tag", "-a", "v1", "-m", "tagged "+inTag)
	write(t, map[string]string{"now": present})

	r.git("tag", "blob", r.git("hash-object", "-w", "now")) // in no commit

	var got struct {
		Findings []struct {
			Path, Commit, Masked string
			Line, Column         int
		}
		Problems []any
	}
	if err := json.Unmarshal([]byte(s.run(t, "--history", "--format", "json").exit(t, 1).stdout), &got); err != nil || len(got.Problems) > 0 {
		t.Fatal(err, got.Problems)
	}
	places := map[string]string{}
	for _, f := range got.Findings {
		places[f.Masked] += f.Commit + ":" + f.Path + " "
	}
	mask := func(key string) string { return "AQVN****" + key[34:] }
	want := map[string]string{
		mask(gone): first + ":a/ключ b ", mask(inMessage): third + ":(commit message) ", mask(elsewhere): side + ":side ",
		mask(merged): merge + ":side ", mask(inTag): r.git("rev-parse", "v1") + ":(tag message) ",
		mask(present): ":now :(no path) (object " + r.git("rev-parse", "blob") + ") ",
	}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Error(diff)
	}
	if out := s.run(t, "--git").exit(t, 1).stdout; !strings.Contains(out, "\n"+first[:12]+":a/ключ b:2:6: yandex_cloud_api_key_v1 AQVN") {
		t.Error(out)
	}

	// A bare repository has a history and nothing else.
	r.git("clone", "-q", "--bare", ".", "bare")
	t.Chdir("bare")
	if out := s.run(t, "--history").exit(t, 1).stdout; !strings.Contains(out, first[:12]+":a/ключ b:2:6") {
		t.Error(out)
	}
}

// A repository's own settings can name programs. None of them is run.
func TestScanHistoryRunsNothing(t *testing.T) {
	var s scanner
	tree(t, map[string]string{"a": s.apiKey(), ".gitattributes": "* diff=evil filter=evil\n"})
	r := repository{t}
	r.git("init", "-q")
	evil := filepath.Join(t.TempDir(), "evil")
	marker := evil + ".ran"
	if err := os.WriteFile(evil, []byte("#!/bin/sh\ntouch '"+marker+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.commit("first")
	for _, setting := range []string{"core.pager", "pager.log", "core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.smudge",
		"filter.evil.clean", "gpg.program", "core.sshCommand", "core.editor", "core.alternateRefsCommand", "credential.helper", "uploadpack.packObjectsHook",
		"remote.origin.uploadpack", "sequence.editor", "alias.log", "alias.rev-list"} {
		value := evil
		if strings.HasPrefix(setting, "alias") {
			value = "!" + evil
		}
		r.git("config", setting, value)
	}
	r.git("config", "log.showSignature", "true")
	r.git("config", "core.hooksPath", filepath.Dir(evil))
	s.environ = []string{"GIT_PAGER=" + evil, "GIT_EXTERNAL_DIFF=" + evil, "GIT_DIR=/nowhere"}
	if out := s.run(t, "--history").exit(t, 1).stdout; strings.Count(out, "\n") != 2 {
		t.Error(out)
	}
	// A clone that lacks objects would fetch them by a program that it names.
	object := r.git("rev-parse", "HEAD:a")
	if err := os.Remove(filepath.Join(".git/objects", object[:2], object[2:])); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"core.repositoryFormatVersion", "1"}, {"extensions.partialClone", "origin"},
		{"remote.origin.promisor", "true"}, {"remote.origin.url", "ext::" + evil}, {"protocol.ext.allow", "always"}} {
		r.git("config", pair[0], pair[1])
	}
	out := s.run(t, "--history", "--exclude", "a").exit(t, 3)
	if !strings.Contains(out.stderr, object) {
		t.Errorf("the object that is missing is not named: %s", out.stderr)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a program of the repository was run")
	}
}
