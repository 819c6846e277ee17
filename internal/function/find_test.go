package function_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/function"
)

func TestFind(t *testing.T) {
	needs(t, "bash")
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"main.py", "index.js", "both.py", "both.mjs", "esm.mjs", "pkg/deep.py", "fn/index.go", "run.sh", "my.dotted.py"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ words, runtime, want string }{
		{"main.py", "", "python . main.py handler"},
		{"./main.handle", "", "python . main.py handle"},
		{"main.py", "python312", "python . main.py handler"},
		{"index.js", "", "node . index.js handler"},
		{"index.myFunction", "nodejs22", "node . index.js myFunction"},
		{"esm.mjs", "", "node . esm.mjs handler"},
		{"pkg/deep.go", "", "handler: pkg/deep.go: no such file or directory"},
		{"pkg/deep.f", "", "python pkg pkg/deep.py f"},
		{"pkg.deep.f", "", "python . pkg/deep.py f pkg.deep"},
		{"my.dotted.f", "", "python . my.dotted.py f"},
		{"fn", "", "go fn fn Handler"},
		{"fn/index.go", "", "go fn fn Handler"},
		{"fn/index.Greet", "golang123", "go fn fn Greet"},
		{"both.handler", "", `handler: "both.handler" may be in both.py or both.mjs: name the file, or the runtime`},
		{"both.handler", "node", "node . both.mjs handler"},
		{"fn", "python", `handler: "fn" is a folder, which only a Go handler can be`},
		{"main.py", "node", `handler: there is no node handler "main.py"`},
		{"main.py", "cobol", `runtime: "cobol" is none of python, node, go, program`},
		{"main.py", "pythonic", `runtime: "pythonic" is none of python, node, go, program`},
		{"", "", "handler: is missing: a file, a folder of a Go package, index.handler or a program"},
		{"cat -n", "", "program . cat -n"},
		{"run.sh", "", "program . bash run.sh"},
		{"run.sh", "bash", "program . bash run.sh"},
		{"./run.sh a", "", "program . run.sh a"},
	} {
		h, err := function.Find(strings.Fields(c.words), c.runtime)
		got := strings.TrimPrefix(strings.TrimPrefix(errText(err), "INVALID_ARGUMENT: "), ": ")
		if err == nil {
			show := func(path string) string {
				if filepath.Dir(path) == "/usr/bin" || filepath.Dir(path) == "/bin" {
					return filepath.Base(path)
				}
				if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsAbs(path) {
					return rel
				}
				return path
			}
			parts := []string{string(h.Runtime), show(h.Root)}
			if h.File != "" {
				parts = append(parts, show(h.File), h.Name)
			}
			if h.Module != "" {
				parts = append(parts, h.Module)
			}
			for _, w := range h.Command {
				parts = append(parts, show(w))
			}
			got = strings.Join(parts, " ")
		}
		if got != c.want {
			t.Errorf("%q %s: %s; want %s", c.words, c.runtime, got, c.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestEnvironment(t *testing.T) {
	caller := []string{"PATH=/bin", "HOME=/home/me", "LC_ALL=C", "YC_TOKEN=s", "YC_IAM_TOKEN=s", "YC_SERVICE_ACCOUNT_KEY_FILE=s", "PROPUSK_X=s",
		"AWS_SECRET_ACCESS_KEY=s", "XDG_CONFIG_HOME=/x", "HTTPS_PROXY=http://u:s@p", "GITHUB_TOKEN=s", "SSH_AUTH_SOCK=s", "MINE=a=b", "NODE_OPTIONS=-r x", "TMPDIR=/t"}
	got, err := function.Environment(caller, []string{"MINE"}, []string{"SET=", "YC_TOKEN=wanted"})
	if d := cmp.Diff([]string{"PATH=/bin", "LC_ALL=C", "MINE=a=b", "SET=", "YC_TOKEN=wanted"}, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, wrong := range [][2][]string{{{"NOT_THERE"}, nil}, {{"A B"}, nil}, {nil, {"novalue"}}, {nil, {"=x"}}, {nil, {"A-B=x"}}, {nil, {"_HANDLER=x"}},
		{nil, {"YC_METADATA_ADDR=x"}}, {nil, {"GCE_METADATA_HOST=x"}}, {{"PROPUSK_CONTEXT"}, nil}} {
		if got, err := function.Environment(slices.Concat(caller, []string{"A B=1", "PROPUSK_CONTEXT=1"}), wrong[0], wrong[1]); err == nil {
			t.Errorf("%v: %v", wrong, got)
		}
	}
}
