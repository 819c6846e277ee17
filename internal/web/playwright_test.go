package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/web"
)

// The walk has ten times what it takes on an idle machine.
const walkLimit = 15 * time.Minute

// walkInABrowser has a real browser go through a walk of compat/web/pages, with
// this environment beside its own. Its pictures stay in a folder of that name in
// build of the repository, or where PROPUSK_SCREENSHOTS says.
func walkInABrowser(t *testing.T, walk, pictures string, environment map[string]string) {
	t.Helper()
	compat, err := filepath.Abs("../../compat")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), walkLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, "web/pages")
		cmd.Dir = compat
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("./build.sh"); err != nil {
		if strict := os.Getenv("CI") == "true" || os.Getenv("PROPUSK_TEST_REQUIRE") == "all"; strict {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skipf("scripts/setup-tests.sh has not made it ready: %s", strings.TrimSpace(out))
	}
	cache := os.Getenv("PROPUSK_COMPAT_CACHE")
	if cache == "" {
		cache = filepath.Join(compat, ".cache")
	}
	into := filepath.Join(compat, "..", "build", pictures)
	if beside := os.Getenv("PROPUSK_SCREENSHOTS"); beside != "" {
		into = filepath.Join(beside, pictures)
	}
	t.Setenv("CACHE", filepath.Join(cache, "web/pages"))
	t.Setenv("WALK", walk)
	t.Setenv("SCREENSHOTS", into)
	for name, value := range environment {
		t.Setenv(name, value)
	}
	out, err := run("web/pages/run")
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("%s in %s", strings.TrimSpace(out), into)
}

// TestBrowser walks the pages with a real browser.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a browser is started")
	}
	g := newTown()
	everything := func(c *web.Config) { c.Joining = web.Joining{Mails: true, SignUpByMail: true} }
	s := httptest.NewServer(pages(newDoor(t, g, everything)))
	defer s.Close()
	g.listening = startPrograms(t)
	walkInABrowser(t, "walk.mjs", "pages", map[string]string{"BASE_URL": s.URL, "PROGRAMS": strings.Join(g.listening, " ")})
}

// startPrograms starts programs to which people go back: on this machine, by its
// address of either kind, and behind TLS. Each sends its people on to yet another
// site, as the command line does; their addresses are returned.
func startPrograms(t *testing.T) []string {
	t.Helper()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!DOCTYPE html><link rel=icon href=data:,><p>at home"))
	}))
	t.Cleanup(home.Close)
	back := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, home.URL+"/?"+r.URL.RawQuery, http.StatusFound)
	})
	plain, secure := httptest.NewServer(back), httptest.NewTLSServer(back)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	all := []string{plain.URL + "/back", secure.URL + "/back"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil { // a machine may have no IPv6
		six := &httptest.Server{Listener: l, Config: &http.Server{Handler: back}}
		six.Start()
		t.Cleanup(six.Close)
		all = append(all, six.URL+"/back")
	}
	return all
}
