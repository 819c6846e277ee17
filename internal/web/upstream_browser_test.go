package web_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/web"
)

// TestElsewhereInABrowser walks the pages of signing in at another provider with a
// real browser. Its pictures stay in build/elsewhere of the repository, or beside
// those of TestBrowser.
func TestElsewhereInABrowser(t *testing.T) {
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
	pictures := filepath.Join(compat, "..", "build", "elsewhere")
	if beside := os.Getenv("PROPUSK_SCREENSHOTS"); beside != "" {
		pictures = beside + "-elsewhere"
	}
	s := httptest.NewServer(pages(newDoor(t, newTown(), func(c *web.Config) {
		c.Joining = web.Joining{Mails: true, SignUpByMail: true}
		c.Providers = []web.Provider{{ID: "one", Title: "Google Workspace"}, {ID: "two", Title: harm},
			{ID: "three", Title: strings.Repeat("Длинное название ", 3) + "Вход"}, {ID: "four", Title: strings.Repeat("W", 60)}}
	})))
	defer s.Close()
	t.Setenv("CACHE", filepath.Join(cache, "web/pages"))
	t.Setenv("WALK", "elsewhere.mjs")
	t.Setenv("BASE_URL", s.URL)
	t.Setenv("SCREENSHOTS", pictures)
	out, err := run("web/pages/run")
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s in %s", strings.TrimSpace(out), pictures)
}
