package propusk_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/propusk/propusk/"

// layers is the drawing of docs/request.md, lowest first. A package imports
// only packages of lower layers: never up, never sideways.
var layers = [][]string{
	{"token", "internal/iam", "internal/seal",
		"proto/propusk/v1", "proto/yandex/cloud/priv/servicecontrol/v1", "proto/yandex/cloud/priv/accessservice/v2"},
	{"internal/resource", "internal/keyfile", "internal/pss", "internal/leak", "internal/temporary", "internal/oauthclient", "internal/opaque"},
	{"internal/store", "internal/iamclient", "internal/cli/profile", "internal/cli/output"},
	{"internal/store/sqlite", "internal/store/postgres", "internal/store/postgres/pgtest", "internal/store/storetest", "internal/replica", "internal/cli/scan", "internal/metadata/source", "internal/metadata/pods"},
	{"internal/credential", "internal/access", "internal/mint", "internal/revocation", "internal/operation", "internal/audit", "internal/quota", "internal/sessionpolicy", "internal/signin", "internal/grant", "internal/passkey", "internal/upstream", "internal/upstream/upstreamtest", "internal/mail"},
	{"internal/gate"},
	{"internal/cloudapi"},
	{"internal/rest", "internal/publish", "internal/sts", "internal/oauth", "internal/web", "internal/registry", "internal/kubernetes", "internal/cli", "internal/metadata", "internal/function",
		"internal/cloudapi/temporary", "internal/cloudapi/registryapi", "internal/cloudapi/leakapi", "internal/cloudapi/signinapi", "internal/cloudapi/oauthapi",
		"internal/cloudapi/iam", "internal/cloudapi/resourcemanager", "internal/cloudapi/operation", "internal/cloudapi/endpoint",
		"internal/cloudapi/organization", "internal/cloudapi/quota", "internal/cloudapi/accessservice", "internal/cloudapi/resourceapi", "internal/cloudapi/kubernetesapi"},
	{"internal/server"},
	{"cmd/propusk", "propusktest"},
}

// wireOnly are packages that speak to the server over its wire alone and so
// import no room.
var wireOnly = map[string]bool{"internal/cli": true, "internal/cli/profile": true, "internal/cli/output": true, "internal/cli/scan": true, "internal/iamclient": true,
	"internal/metadata": true, "internal/metadata/source": true, "internal/metadata/pods": true, "internal/function": true}

// behindTheGate are rooms that no door imports: a token is made behind the
// gate or not at all. cloudapi is where the gate's calls act.
var behindTheGate = map[string]bool{"internal/mint": true, "internal/credential": true, "internal/access": true, "internal/signin": true, "internal/grant": true, "internal/passkey": true, "internal/upstream": true}

func TestImportsGoDown(t *testing.T) {
	level := map[string]int{}
	for i, l := range layers {
		for _, p := range l {
			level[p] = i
		}
	}
	for p, imports := range importsOf(t, ".") {
		mine, known := level[p]
		if !known {
			t.Errorf("package %s stands in no layer: put it into the drawing", p)
			continue
		}
		for _, i := range imports {
			theirs, ok := level[i]
			switch {
			case !ok:
				t.Errorf("%s imports %s, which stands in no layer", p, i)
			case theirs >= mine:
				t.Errorf("%s imports %s: imports go down, never up or sideways", p, i)
			case wireOnly[p] && theirs > level["internal/keyfile"] && !wireOnly[i]:
				t.Errorf("%s imports %s, but it speaks only the wire", p, i)
			case isDoor(p) && behindTheGate[i]:
				t.Errorf("door %s imports %s: a token is made behind the gate or not at all", p, i)
			}
		}
	}
}

func isDoor(p string) bool {
	return p == "internal/rest" || p == "internal/publish" || p == "internal/sts" || p == "internal/oauth" || p == "internal/web" ||
		p == "internal/registry" || p == "internal/kubernetes"
}

func TestTokenNeedsOnlyTheStandardLibrary(t *testing.T) {
	for p, imports := range allImports(t, "token") {
		for _, i := range imports {
			if strings.Contains(strings.SplitN(i, "/", 2)[0], ".") {
				t.Errorf("%s imports %s", p, i)
			}
		}
	}
}

func TestWireTypesStopAtTheCorridor(t *testing.T) {
	allowed := func(p string) bool {
		for _, above := range []string{"internal/gate", "internal/cloudapi", "internal/rest", "internal/publish", "internal/sts", "internal/oauth", "internal/web", "internal/registry", "internal/kubernetes", "internal/server", "internal/iamclient", "internal/cli", "cmd/", "propusktest", "proto/"} {
			if strings.HasPrefix(p, above) {
				return true
			}
		}
		return false
	}
	for p, imports := range allImports(t, ".") {
		for _, i := range imports {
			wire := strings.HasPrefix(i, "google.golang.org/") || strings.HasPrefix(i, "github.com/yandex-cloud/")
			if wire && !allowed(p) {
				t.Errorf("%s imports %s: gRPC and protobuf stop at the corridor", p, i)
			}
		}
	}
}

// importsOf reads the imports, within this module, of every package's own files.
func importsOf(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for p, all := range allImports(t, root) {
		out[p] = []string{}
		for _, i := range all {
			if own, ok := strings.CutPrefix(i, module); ok {
				out[p] = append(out[p], own)
			}
		}
	}
	return out
}

func allImports(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case path == root:
				return nil
			case strings.HasPrefix(name, "."), name == "testdata", name == "node_modules", name == "propusk-dev",
				path == "compat", path == "bench", path == "tools":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		p := filepath.ToSlash(filepath.Dir(path))
		for _, s := range f.Imports {
			i, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			out[p] = append(out[p], i)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no packages found: the test looks in the wrong place")
	}
	return out
}
