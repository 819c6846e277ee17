package profile_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

// A test's own processes: the test binary with these set.
const (
	envChild  = "PROPUSK_TEST_CHILD"  // what it does: renew or keep
	envFolder = "PROPUSK_TEST_FOLDER" // where
	envRing   = "PROPUSK_TEST_RING"   // whether in the keyring: auto or off
)

func TestMain(m *testing.M) {
	if what := os.Getenv(envChild); what != "" {
		if err := child(what, os.Getenv(envFolder)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func longToken(n int) profile.Token {
	now := time.Now()
	return profile.Token{Text: iam.NewSecret(fmt.Sprintf("t1.%d.%s", os.Getpid(), strings.Repeat("x", n))), IssuedAt: now, ExpiresAt: now.Add(10 * time.Hour)}
}

func child(what, folder string) error {
	path := filepath.Join(folder, "config.yaml")
	warned := 0
	ring, err := profile.OpenKeyring(os.Getenv(envRing), path, os.Getenv, func(error) { warned++ })
	if err != nil {
		return err
	}
	tokens := profile.TokensOf(path, ring)
	if what == "keep" {
		for n := range 40 {
			if err := tokens.Keep("k", longToken(n*100)); err != nil {
				return err
			}
			if got, ok := tokens.Get("k", time.Now()); !ok || !strings.HasPrefix(got.Text.Reveal(), "t1.") {
				return fmt.Errorf("after %d: what is kept is damaged", n)
			}
		}
		if warned > 0 {
			return fmt.Errorf("%d went into files", warned)
		}
		return nil
	}
	got, unkept, err := tokens.Renew("k", time.Now, func() (profile.Token, error) {
		f, err := os.OpenFile(filepath.Join(folder, "renewed"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return profile.Token{}, err
		}
		defer f.Close()
		_, err = f.WriteString(".")
		return longToken(1), err
	})
	if err != nil || unkept != nil {
		return fmt.Errorf("%v, %v", err, unkept)
	}
	fmt.Print(got.Text.Reveal())
	return nil
}

// children runs many processes at once and returns what they print.
func children(t *testing.T, n int, what, folder string) []string {
	t.Helper()
	out := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), envChild+"="+what, envFolder+"="+folder)
			text, err := c.Output()
			if err != nil {
				t.Errorf("process %d: %v", i, said(err))
			}
			out[i] = string(text)
		})
	}
	all.Wait()
	return out
}

// TestManyProcesses: of many at once one renews, and all have its token; many
// that write leave a whole file.
func TestManyProcesses(t *testing.T) {
	t.Setenv(envRing, profile.KeyringOff)
	folder := t.TempDir()
	tokens := children(t, 16, "renew", folder)
	for _, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Errorf("%q and %q", token, tokens[0])
		}
	}
	if renewed, err := os.ReadFile(filepath.Join(folder, "renewed")); err != nil || string(renewed) != "." {
		t.Errorf("renewed %q times, %v", renewed, err)
	}
	children(t, 8, "keep", folder)
	left, err := filepath.Glob(filepath.Join(folder, "cache", ".new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// said is an error of a process with what it told.
func said(err error) string {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Sprintf("%v: %s", err, e.Stderr)
	}
	return err.Error()
}
