package cli_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whoever chooses the names and contents of files must not be able to have the
// rest of a history passed over: the name of a file ends as git's word for a
// missing object does, and its contents pretend to be the object that comes next.
func TestScanHistoryIsNotMisled(t *testing.T) {
	var s scanner
	tree(t, map[string]string{"a": "nothing"})
	r := repository{t}
	r.git("init", "-q")
	r.commit("first")
	const id = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
	for name, content := range map[string]string{
		"b missing":  "x = " + s.apiKey() + "\n",
		"?c missing": "tree " + strconv.Itoa(1<<30) + " " + id + " x\n" + s.apiKey(),
	} {
		write(t, map[string]string{name: content})
	}
	write(t, map[string]string{"z": s.apiKey()})
	r.commit("second")
	out := s.run(t, "--history", "--exclude", "none", ".").exit(t, 1)
	if out.stderr != "" || strings.Count(out.stdout, "yandex_cloud_api_key_v1") != 6 { // in the folder and in the history
		t.Errorf("of three keys in two places:\n%s%s", out.stdout, out.stderr)
	}
}

// What is skipped is a path, and not what stands there: the same version of a
// file under another path is shown under that one.
func TestScanHistorySkipsPathsAlone(t *testing.T) {
	var s scanner
	both, skipped, message := s.apiKey(), s.apiKey(), s.apiKey()
	tree(t, map[string]string{"a/x": both, "a/y": skipped, "z\t\"z": both, ".propuskignore": "a\n"})
	r := repository{t}
	r.git("init", "-q")
	commit := r.commit(message)
	if err := os.Remove("z\t\"z"); err != nil {
		t.Fatal(err)
	}
	out := s.run(t, "--history", ".").exit(t, 1)
	want := []string{commit[:12] + `:(commit message):5:1`, commit[:12] + `:z\t"z:1:1`}
	if got := slices.Sorted(slices.Values(places(out.stdout))); out.stderr != "" || !slices.Equal(got, want) {
		t.Errorf("%q, want %q; %s", got, want, out.stderr)
	}
}
