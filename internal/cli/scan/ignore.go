package scan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/cli/output"
)

const (
	ignoreFile = ".propuskignore"
	ignoreMost = 1 << 20 // bytes of one
)

// ignored is what a scan of one PATH skips.
type ignored struct {
	globs        [][]string // split at "/"
	fingerprints map[string]bool
}

// ignoreAt reads what --exclude names and the ignore file of a folder.
func (s *Scanner) ignoreAt(root string) (*ignored, error) {
	g := &ignored{fingerprints: map[string]bool{}}
	for _, glob := range s.Exclude {
		g.globs = append(g.globs, splitGlob(glob))
	}
	name := filepath.Join(root, ignoreFile)
	f, err := openRegular(name)
	if err != nil {
		// PATH may be a file.
		if info, serr := os.Stat(root); errors.Is(err, fs.ErrNotExist) || serr != nil || !info.IsDir() {
			return g, nil
		}
		return nil, misuse("%s: %s", ignoreFile, err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, ignoreMost))
	for n := 1; lines.Scan(); n++ {
		if err := g.add(lines.Bytes()); err != nil {
			return nil, misuse("%s:%d: %v", name, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, misuse("%s: %v", name, err)
	}
	return g, nil
}

func (g *ignored) add(line []byte) error {
	text := string(bytes.TrimSpace(line))
	if text == "" || text[0] == '#' {
		return nil
	}
	if f, ok := strings.CutPrefix(text, "fingerprint "); ok {
		if f = strings.TrimSpace(f); len(f) != 2*fingerprintBytes {
			return fmt.Errorf("a fingerprint has %d characters", 2*fingerprintBytes)
		}
		g.fingerprints[f] = true
		return nil
	}
	if err := CheckGlob(text); err != nil {
		return err
	}
	g.globs = append(g.globs, splitGlob(text))
	return nil
}

// CheckGlob tells what is wrong with a glob of Exclude: with a slash within, it is of
// a path from PATH on; without one, of any file or folder of the name.
func CheckGlob(glob string) error {
	if strings.Trim(glob, "/") == "" {
		return errors.New("a glob is empty")
	}
	if strings.HasPrefix(glob, "!") {
		return fmt.Errorf("%q: there is no way to take a file in again", output.Printable(glob))
	}
	for _, part := range splitGlob(glob) {
		if _, err := path.Match(part, "x"); err != nil {
			return fmt.Errorf("%q is no glob", output.Printable(glob))
		}
	}
	return nil
}

// splitGlob reads a glob: with a slash within, it is of a path from PATH on;
// without one, of any file or folder of the name.
func splitGlob(glob string) []string {
	glob = strings.TrimSuffix(strings.TrimPrefix(glob, "./"), "/")
	parts := strings.Split(strings.TrimPrefix(glob, "/"), "/")
	if !strings.Contains(glob, "/") {
		parts = append([]string{"**"}, parts...)
	}
	return parts
}

// skips tells whether a file or folder, by its path from PATH on with slashes,
// is skipped.
func (g *ignored) skips(name string) bool {
	if len(g.globs) == 0 {
		return false
	}
	parts := strings.Split(name, "/")
	for _, glob := range g.globs {
		if globMatches(glob, parts) {
			return true
		}
	}
	return false
}

// skipsBelow tells whether a file or any folder that it is in is skipped.
func (g *ignored) skipsBelow(name string) bool {
	for i, c := range name {
		if c == '/' && g.skips(name[:i]) {
			return true
		}
	}
	return g.skips(name)
}

// globMatches matches element by element; "**" is any number of them, once
// tried from every place, so that many of them take no longer than their
// number times the path's.
func globMatches(glob, parts []string) bool {
	at := map[int]bool{0: true} // how many of parts may be matched so far
	for _, g := range glob {
		next := map[int]bool{}
		for i := range at {
			if g == "**" {
				for j := i; j <= len(parts); j++ {
					next[j] = true
				}
			} else if i < len(parts) {
				if ok, _ := path.Match(g, parts[i]); ok {
					next[i+1] = true
				}
			}
		}
		at = next
	}
	return at[len(parts)]
}
