//go:build unix

package compat_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// forge is a git server that takes IAM tokens, as any service can that follows
// what this one publishes.
type forge struct {
	*suite
	*httptest.Server
	folder   string
	verifier *token.Verifier
	config   string       // of the client
	last     atomic.Value // who came in
}

// testGit has a real git clone and push with tokens that the credential helper
// gives it.
func (s *suite) testGit(t *testing.T, _ string) {
	backend := s.gitBackend(t)
	f := &forge{suite: s, folder: t.TempDir()}
	f.follow(t)
	f.git(t, nil, "init", "-q", "--bare", "repositories/a.git")
	f.git(t, nil, "-C", "repositories/a.git", "config", "http.receivepack", "true")
	f.Server = httptest.NewTLSServer(f.guard(&cgi.Handler{Path: backend, Env: []string{
		"GIT_PROJECT_ROOT=" + filepath.Join(f.folder, "repositories"), "GIT_HTTP_EXPORT_ALL=1"}}))
	t.Cleanup(f.Close)
	ca := filepath.Join(f.folder, "ca.pem")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}))
	f.config = filepath.Join(f.folder, "config.yaml")
	f.ours(t, "config", "profile", "create", "git")
	f.ours(t, "config", "set", "service-account-key", filepath.Join(s.server.data, "key.json"))
	f.ours(t, "config", "set", "endpoint", s.server.env["ENDPOINT"])
	binary, err := filepath.Abs(s.server.binary)
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(f.URL, "https://")
	helper := []string{"-c", "http.sslCAInfo=" + ca, "-c", "credential.helper=",
		"-c", "credential.helper=!" + binary + " git-credential --config " + f.config + " --host " + host}

	f.git(t, helper, "clone", "-q", f.URL+"/a.git", "work")
	f.git(t, nil, "-C", "work", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "first")
	f.git(t, helper, "-C", "work", "push", "-q", "origin", "HEAD:refs/heads/main")
	if out := f.git(t, nil, "-C", "repositories/a.git", "log", "--format=%s", "main"); strings.TrimSpace(out) != "first" {
		t.Errorf("the repository has %q", out)
	}
	if f.last.Load() != s.server.env["SERVICE_ACCOUNT_ID"] {
		t.Errorf("%v has pushed", f.last.Load())
	}

	// A token that was revoked is refused once, and then forgotten.
	old := strings.TrimSpace(f.ours(t, "iam", "create-token"))
	var revoked struct{ SubjectID string }
	s.rest(t, "POST", "/iam/v1/tokens:revoke", s.tokenOf(t, "admin-key.json"), map[string]string{"iamToken": old}, &revoked)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := f.verifier.Verify(old); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not hear of the revocation")
		}
	}
	if out, err := f.tryGit(helper, "ls-remote", f.URL+"/a.git"); err == nil {
		t.Errorf("a revoked token reads: %s", out)
	}
	if out := f.git(t, helper, "ls-remote", f.URL+"/a.git"); !strings.Contains(out, "refs/heads/main") {
		t.Errorf("with a new token: %q", out)
	}

	f.keepsNothing(t, ca, "!"+binary+" git-credential --config "+f.config+" --host "+host)

	// Another host, at another port of the same machine, sees no token.
	var seen atomic.Bool
	stranger := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			seen.Store(true)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="stranger"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer stranger.Close()
	if out, err := f.tryGit(append(helper, "-c", "http.sslVerify=false"), "ls-remote", stranger.URL+"/a.git"); err == nil || seen.Load() {
		t.Errorf("a stranger was shown a token: %t, %v\n%s", seen.Load(), err, out)
	}
}

// keepsNothing sets git up as the guide says, beside a helper that keeps what
// others have given.
func (f *forge) keepsNothing(t *testing.T, ca, helper string) {
	t.Helper()
	kept := filepath.Join(f.folder, "kept")
	f.git(t, nil, "config", "--global", "http.sslCAInfo", ca)
	f.git(t, nil, "config", "--global", "credential.helper", "store --file="+kept)
	f.git(t, nil, "config", "--global", "--replace-all", "credential."+f.URL+".helper", "")
	f.git(t, nil, "config", "--global", "--add", "credential."+f.URL+".helper", helper)
	if out := f.git(t, nil, "ls-remote", f.URL+"/a.git"); !strings.Contains(out, "refs/heads/main") {
		t.Errorf("as the guide says: %q", out)
	}
	if text, err := os.ReadFile(kept); !os.IsNotExist(err) {
		t.Errorf("another helper keeps the token: %d bytes, %v", len(text), err)
	}
	if err := os.Remove(filepath.Join(f.folder, ".gitconfig")); err != nil {
		t.Error(err)
	}
}

// gitBackend finds git's own server.
func (s *suite) gitBackend(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	path := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil && s.strict {
		t.Fatalf("git is missing: %v", err)
	}
	if err != nil {
		t.Skipf("needs git: %v", err)
	}
	return path
}

// follow keeps a verifier of this server's tokens.
func (f *forge) follow(t *testing.T) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(f.ours(t, "root-key", "--data", f.server.data)))
	if err != nil || len(key) != ed25519.PublicKeySize {
		t.Fatalf("root key: %d bytes, %v", len(key), err)
	}
	if f.verifier, err = token.NewVerifier(token.Config{BaseURL: f.server.env["HTTP_URL"], Root: key}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { _ = f.verifier.Follow(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// guard lets in whoever shows a good token as the password of user "iam".
func (f *forge) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		claims, err := f.verifier.Verify(password)
		if err != nil || user != "iam" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		f.last.Store(claims.SubjectID)
		next.ServeHTTP(w, r)
	})
}

// ours runs a command of the program with the profile.
func (f *forge) ours(t *testing.T, args ...string) string {
	t.Helper()
	binary, err := filepath.Abs(f.server.binary)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"HOME=" + f.folder, "PATH=" + os.Getenv("PATH"), "YC_CONFIG=" + f.config}
	var out output
	if err := out.run(cmd); err != nil {
		t.Fatalf("propusk %s: %v\n%s", strings.Join(args, " "), err, out.all())
	}
	return out.stdout.String()
}

func (f *forge) git(t *testing.T, settings []string, args ...string) string {
	t.Helper()
	out, err := f.tryGit(settings, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (f *forge) tryGit(settings []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	cmd := command(ctx, f.folder, "git", append(append([]string{}, settings...), args...)...)
	cmd.Env = []string{"HOME=" + f.folder, "PATH=" + os.Getenv("PATH"), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1"}
	var out output
	err := out.run(cmd)
	return out.all(), err
}
