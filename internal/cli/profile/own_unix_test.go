//go:build unix

package profile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

// TestFilesOfAnotherUser: what is another's is neither read nor written to.
func TestFilesOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root gives files away
	}
	const another = 12345
	path := filepath.Join(t.TempDir(), "config.yaml")
	signIns, tokens, now := profile.SignInsOf(path, nil), profile.TokensOf(path, nil), time.Now()
	token := profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	in, err := profile.NewSignIn("https://iam.example.com", false)
	if err == nil {
		err = signIns.Put("default", in)
	}
	if err == nil {
		err = tokens.Keep("k", token)
	}
	folder := filepath.Dir(path)
	for _, name := range []string{"sign-in/default.json", "cache/k.json", "cache"} {
		if err == nil {
			err = os.Chown(filepath.Join(folder, name), another, another)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signIns.Get("default"); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("%v", err)
	}
	if _, ok := tokens.Get("k", now); ok {
		t.Error("another's token was read")
	}
	if err := tokens.Keep("other", token); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("%v", err)
	}
}
