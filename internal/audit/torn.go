package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// isTorn says whether what follows the last whole batch of a journal is a batch
// that a crash has cut short, as opposed to one that was changed. Only the last
// batch can be torn, since the next is not begun before it is durable, and what
// of it did not reach the disk reads as zeros or is not there. So it either does
// not end in a chain line or has zeros inside; and nothing comes after.
func isTorn(tail []byte) bool {
	for i := 0; i < len(tail); {
		n := bytes.Index(tail[i:], []byte(chainOpen))
		if n < 0 {
			return true
		}
		i += n
		if i+chainLength > len(tail) {
			return true
		}
		if _, ok := chainLine(tail[i : i+chainLength]); ok {
			return i+chainLength == len(tail) && bytes.IndexByte(tail, 0) >= 0
		}
		i++
	}
	return true
}

// setAside moves the files of a journal into a folder of their own and returns
// its path; "" when there are none.
func setAside(dir string, now time.Time) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	aside := filepath.Join(dir, fmt.Sprintf("lost-%s", now.UTC().Format("20060102T150405.000000")))
	moved := ""
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), fileSuffix) {
			continue
		}
		if err := os.MkdirAll(aside, 0o700); err != nil {
			return "", err
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(aside, e.Name())); err != nil {
			return "", err
		}
		moved = aside
	}
	return moved, syncFolder(dir)
}
