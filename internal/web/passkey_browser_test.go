package web_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/propusktest"
)

// TestPasskeysInABrowser goes through the life of a passkey with a real browser and
// a whole server. Its pictures stay in build/passkeys of the repository, or beside
// those of TestBrowser.
func TestPasskeysInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a browser is started")
	}
	compat, err := filepath.Abs("../../compat")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), walkLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = compat
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("./build.sh", "web/pages"); err != nil {
		if strict := os.Getenv("CI") == "true" || os.Getenv("PROPUSK_TEST_REQUIRE") == "all"; strict {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skipf("scripts/setup-tests.sh has not made it ready: %s", strings.TrimSpace(out))
	}
	cache := os.Getenv("PROPUSK_COMPAT_CACHE")
	if cache == "" {
		cache = filepath.Join(compat, ".cache")
	}
	pictures := filepath.Join(compat, "..", "build", "passkeys")
	if beside := os.Getenv("PROPUSK_SCREENSHOTS"); beside != "" {
		pictures = beside + "-passkeys"
	}
	w := propusktest.New(t)
	t.Setenv("CACHE", filepath.Join(cache, "web/pages"))
	t.Setenv("WALK", "passkeys.mjs")
	t.Setenv("BASE_URL", strings.Replace(w.HTTPURL, "127.0.0.1", "localhost", 1))
	t.Setenv("SCREENSHOTS", pictures)
	t.Setenv("PASSWORD", w.Server.Dev().Password("alice").Reveal())
	out, err := run("web/pages/run")
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s in %s", strings.TrimSpace(out), pictures)
}
