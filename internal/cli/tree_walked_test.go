package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryChangeIsWalked: the scripts that run against a real server have every
// command of the tree that changes something end well, as text and as JSON (or
// as what a filter makes of it).
func TestEveryChangeIsWalked(t *testing.T) {
	paths, err := filepath.Glob("../../cmd/propusk/testdata/script/yc*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	walked := map[string]map[bool]bool{} // command → as JSON
	for _, path := range paths {
		script, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(script)) {
			if !strings.HasPrefix(line, "exits 0 ") {
				continue
			}
			_, command, found := strings.Cut(line, "yc ")
			if !found {
				continue
			}
			name := commandOf(strings.Fields(command))
			if walked[name] == nil {
				walked[name] = map[bool]bool{}
			}
			walked[name][strings.Contains(command, "--format json") || strings.Contains(command, "--jq")] = true
		}
	}
	// The dev server's organization has one owner, who cannot go, and one other person.
	refused := map[string]bool{"organization-manager organization leave": true, "organization-manager organization set-access-bindings": true,
		"organization-manager user remove": true}
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		if n.run != nil && n.run.changes && !refused[path] {
			for _, asJSON := range []bool{false, true} {
				if !walked[path][asJSON] {
					t.Errorf("no script runs %s with JSON %v", path, asJSON)
				}
			}
		}
		for i := range n.below {
			walk(&n.below[i], strings.TrimSpace(path+" "+n.below[i].word))
		}
	}
	top := root()
	walk(&top, "")
}

// commandOf is the command that words name, by its words and not its aliases.
func commandOf(words []string) string {
	at := root()
	var path []string
	for _, word := range words {
		below := at.child(word)
		if below == nil {
			break
		}
		if at = *below; at.word != "v0" && at.word != "v1" {
			path = append(path, at.word)
		}
	}
	return strings.Join(path, " ")
}
