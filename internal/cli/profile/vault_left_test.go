package profile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

func signedIn(t *testing.T) *profile.SignIn {
	t.Helper()
	in, err := profile.NewSignIn("https://iam.example.com", true)
	if err != nil {
		t.Fatal(err)
	}
	in.RefreshToken = iam.NewSecret("rt1.refresh")
	return in
}

func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func aged(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestWhatAKilledProcessLeaves: a half-written secret does not stay for ever,
// and none of a sign-in that is dropped; one that is being written is left alone.
func TestWhatAKilledProcessLeaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	signIns := profile.SignInsOf(path, nil)
	in := signedIn(t)
	if err := signIns.Put("default", in); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(filepath.Dir(path), "sign-in")
	old, fresh, other := filepath.Join(folder, ".default.json.new-1"), filepath.Join(folder, ".default.json.new-2"), filepath.Join(folder, ".other.json.new-3")
	aged(t, old, "rt1.old", time.Hour)
	aged(t, fresh, "rt1.fresh", 0)
	aged(t, other, "rt1.other", time.Hour)
	if err := signIns.Put("default", in); err != nil {
		t.Fatal(err)
	}
	if got := files(t, folder); strings.Join(got, " ") != ".default.json.new-2 .other.json.new-3 default.json" {
		t.Errorf("%q", got)
	}
	signIns.Drop("default")
	if got := files(t, folder); strings.Join(got, " ") != ".other.json.new-3" {
		t.Errorf("%q", got)
	}
}

// TestOldTokensGo: what has ended long ago does not fill the folder.
func TestOldTokensGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	tokens := profile.TokensOf(path, nil)
	now := time.Now()
	token := profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	if err := tokens.Keep("recent", token); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(filepath.Dir(path), "cache")
	for n := range 400 {
		aged(t, filepath.Join(folder, fmt.Sprintf("gone-%d.json", n)), "{}", 400*24*time.Hour)
		aged(t, filepath.Join(folder, fmt.Sprintf("gone-%d.json.lock", n)), "", 400*24*time.Hour)
	}
	aged(t, filepath.Join(folder, ".gone.json.new-1"), "t1.", 400*24*time.Hour)
	aged(t, filepath.Join(folder, "notes.txt"), "a person's", 400*24*time.Hour)
	if err := tokens.Keep("k", token); err != nil {
		t.Fatal(err)
	}
	if got := files(t, folder); strings.Join(got, " ") != "k.json k.json.lock notes.txt recent.json recent.json.lock" {
		t.Errorf("%d files: %.300q", len(got), got)
	}
}

// TestFilesSideBySide: two config files in one folder have sign-ins of their own.
func TestFilesSideBySide(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	for n, name := range []string{"config.yaml", "a.yaml", "b.yaml"} {
		path := filepath.Join(folder, name)
		if got, err := profile.SignInsOf(path, nil).Get("default"); got != nil || err != nil {
			t.Errorf("%s has the sign-in of another file: %v", name, err)
		}
		if _, ok := profile.TokensOf(path, nil).Get("k", now); ok {
			t.Errorf("%s has the token of another file", name)
		}
		in := signedIn(t)
		in.RefreshToken = iam.NewSecret(fmt.Sprint("rt1.n", n))
		token := profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := profile.SignInsOf(path, nil).Put("default", in); err != nil {
			t.Fatal(err)
		}
		if err := profile.TokensOf(path, nil).Keep("k", token); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := profile.SignInsOf(filepath.Join(folder, "a.yaml"), nil).Get("default"); err != nil || got.RefreshToken.Reveal() != "rt1.n1" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "sign-in", "default.json")); err != nil { // where it always was
		t.Error(err)
	}
}
