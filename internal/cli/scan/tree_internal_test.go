package scan

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder that becomes a link between the walk and the look leads nowhere: who
// may write below PATH does not choose what the scanner reads, or revokes.
func TestTreeIsNotLeft(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"in/a/x", "in/b/x", "out/x"} {
		if err := os.MkdirAll(filepath.Join(top, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at, err := openTree(filepath.Join(top, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer at.close()
	seen := map[string]bool{}
	err = at.walk(&ignored{}, func(rel string, err error) error {
		if err != nil {
			return err
		}
		if filepath.Dir(rel) == "a" { // somebody is quick
			if err := os.RemoveAll(filepath.Join(top, "in/a")); err != nil {
				return err
			}
			if err := os.Symlink(filepath.Join(top, "out"), filepath.Join(top, "in/a")); err != nil {
				return err
			}
		}
		f, err := at.open(rel)
		seen[filepath.ToSlash(rel)] = err == nil
		if err == nil {
			return f.Close()
		}
		return nil
	})
	if err != nil || len(seen) != 2 || seen["a/x"] || !seen["b/x"] {
		t.Errorf("%v, %v", seen, err)
	}
}
