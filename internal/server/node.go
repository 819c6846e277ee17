package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

const nodeFile = "node.id"

var nodeName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9-]{1,64}$`) })

// nodeID is this node's name in the audit journal. It stays with the data
// folder, where the journal is, whatever the machine is called today.
func nodeID(data string) (string, error) {
	path := filepath.Join(data, nodeFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text = []byte("node-" + randomHex(6))
		err = writeWhole(path, append(text, '\n'), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("node id: %w", err)
	}
	name := strings.TrimSpace(string(text))
	if !nodeName().MatchString(name) {
		return "", fmt.Errorf("node id: %s holds no name", path)
	}
	return name, nil
}
