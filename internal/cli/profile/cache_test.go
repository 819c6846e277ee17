package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

func TestTokensAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	tokens := profile.TokensOf(path, nil)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now, made := start, 0
	renew := func() (profile.Token, error) {
		made++
		return profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(10 * time.Hour)}, nil
	}
	get := func(after time.Duration, want int, what string) {
		t.Helper()
		now = start.Add(after)
		got, unkept, err := tokens.Renew("k", func() time.Time { return now }, renew)
		if err != nil || unkept != nil || got.Text.Reveal() != "t1.a.b" || made != want {
			t.Errorf("%s: made %d of %d, %v, %v", what, made, want, unkept, err)
		}
	}
	get(0, 1, "the first")
	get(8*time.Hour+29*time.Minute, 1, "before the last tenth and a twentieth")
	get(9*time.Hour+time.Second, 2, "in the last tenth")
	get(-2*time.Hour, 3, "the clock was set back")
	tokens.Drop("k")
	get(-2*time.Hour, 4, "dropped")
	file := filepath.Join(filepath.Dir(path), "cache", "k.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(file, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	get(-2*time.Hour, 5, "a torn file")
	failed := errors.New("no")
	if _, _, err := tokens.Renew("other", func() time.Time { return now }, func() (profile.Token, error) { return profile.Token{}, failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

// TestKeyStaysInTheFolder: a profile's name comes from a file, and leads nowhere.
func TestKeyStaysInTheFolder(t *testing.T) {
	for _, name := range []string{"../x", "a/b", "", "..", "A"} {
		if key := profile.Key(name, "x"); filepath.Base(key) != key || key[0] == '.' || key[0] == '-' {
			t.Errorf("%q: %q", name, key)
		}
	}
	if profile.Key("../x", "y") == profile.Key("../z", "y") {
		t.Error("two profiles, one key")
	}
}

// TestUnkept: a token that cannot be kept is used all the same.
func TestUnkept(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "cache"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, unkept, err := profile.TokensOf(filepath.Join(folder, "config.yaml"), nil).Renew("k", time.Now, func() (profile.Token, error) {
		return profile.Token{Text: iam.NewSecret("t1.a.b")}, nil
	})
	if err != nil || unkept == nil || got.Text.Reveal() != "t1.a.b" {
		t.Errorf("%v, %v", unkept, err)
	}
}
