package profile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

// TestSignIns: what was put comes back, in files that nobody else reads.
func TestSignIns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	signIns := profile.SignInsOf(path, nil)
	if got, err := signIns.Get("default"); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	in, err := profile.NewSignIn("https://iam.example.com", true)
	if err != nil {
		t.Fatal(err)
	}
	in.RefreshToken, in.Federation, in.Username = iam.NewSecret("rt1.x"), "bpf1", "alice"
	if err := signIns.Put("default", in); err != nil {
		t.Fatal(err)
	}
	got, err := signIns.Get("default")
	if err != nil || got.ID != in.ID || got.Issuer != in.Issuer || got.RefreshToken.Reveal() != "rt1.x" || !got.Key.Equal(in.Key) || got.Federation != "bpf1" || got.Username != "alice" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := signIns.Get("../default"); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if err := signIns.Put("../x", in); err == nil {
		t.Error("a profile's name leads out of the folder")
	}
	file := filepath.Join(filepath.Dir(path), "sign-in", "default.json")
	if runtime.GOOS != "windows" {
		for _, at := range []string{file, filepath.Dir(file)} {
			if info, err := os.Stat(at); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v, %v", at, info.Mode(), err)
			}
		}
	}
	for _, damaged := range []string{"", "{", `{"id":"x"}`, `{"id":"x","issuer":"y","dpop_key":"-"}`, "[]", strings.Repeat(" ", 100<<10)} {
		if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := signIns.Get("default"); got != nil || err == nil || !strings.Contains(err.Error(), "default") {
			t.Errorf("%.20q: %v, %v", damaged, got, err)
		}
	}
	signIns.Drop("default")
	if _, err := os.Stat(file); err == nil {
		t.Error("it is still there")
	}
}

// TestForeignFolders: secrets are neither kept nor read where others decide.
func TestForeignFolders(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // links need a right of their own there, and modes mean nothing
	}
	now := time.Now()
	token := profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	home, elsewhere := t.TempDir(), t.TempDir()
	tokens := profile.TokensOf(filepath.Join(home, "config.yaml"), nil)
	cache := filepath.Join(home, "cache")
	if err := os.Symlink(elsewhere, cache); err != nil {
		t.Fatal(err)
	}
	if err := tokens.Keep("k", token); err == nil {
		t.Error("kept behind a link")
	}
	planted := []byte(`{"iam_token":"t1.evil.token","issued_at":"2020-01-01T00:00:00Z","expires_at":"2999-01-01T00:00:00Z"}`)
	for _, path := range []string{filepath.Join(elsewhere, "k.json"), filepath.Join(home, "planted")} {
		if err := os.WriteFile(path, planted, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := tokens.Get("k", now); ok {
		t.Error("read from behind a link")
	}
	if err := os.Remove(cache); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tokens.Keep("other", token); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(cache); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the folder: %v, %v", info.Mode(), err)
	}
	file := filepath.Join(cache, "k.json")
	if err := os.Symlink(filepath.Join(home, "planted"), file); err != nil {
		t.Fatal(err)
	}
	if _, ok := tokens.Get("k", now); ok {
		t.Error("a link was followed")
	}
	if err := tokens.Keep("k", token); err != nil { // in the link's place
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(home, "planted")); err != nil || string(text) != string(planted) {
		t.Errorf("what the link led to was written: %s, %v", text, err)
	}
	if _, ok := tokens.Get("k", now); !ok {
		t.Error("what was kept is not there")
	}
	if err := os.Chmod(file, 0o622); err != nil {
		t.Fatal(err)
	}
	if _, ok := tokens.Get("k", now); ok {
		t.Error("what others may write was read")
	}
}
