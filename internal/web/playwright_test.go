package web_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The walk has ten times what it takes on an idle machine.
const walkLimit = 15 * time.Minute

// TestBrowser walks the pages with a real browser. Its pictures stay in
// build/pages of the repository, or where PROPUSK_SCREENSHOTS says.
func TestBrowser(t *testing.T) {
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
	pictures := os.Getenv("PROPUSK_SCREENSHOTS")
	if pictures == "" {
		pictures = filepath.Join(compat, "..", "build", "pages")
	}
	s := httptest.NewServer(pages(newDoor(t, newTown())))
	defer s.Close()
	t.Setenv("CACHE", filepath.Join(cache, "web/pages"))
	t.Setenv("BASE_URL", s.URL)
	t.Setenv("SCREENSHOTS", pictures)
	out, err := run("web/pages/run")
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s in %s", strings.TrimSpace(out), pictures)
}
