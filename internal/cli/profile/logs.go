package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

const (
	mostLogs = 20        // files that are kept
	mostLog  = 256 << 10 // bytes of one
)

// Logs keeps what failed runs tell, a file each, which only its owner may read,
// in a folder beside the config file: the latest 20, of at most 256 KiB.
type Logs struct{ folder string }

// LogsOf is the logs of the runs with the config file at path.
func LogsOf(path string) Logs { return Logs{filepath.Join(filepath.Dir(path), "logs")} }

// logName matches the files that Keep makes, and nothing that a person might.
const logName = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}\.[0-9]{3}-[-_a-z0-9]+\.txt$`

// Keep writes a log of a run of a command and returns its path. It removes the
// oldest beyond those that are kept. A folder for the config file must be there:
// a failure makes none.
func (l Logs) Keep(now time.Time, command string, text []byte) (string, error) {
	if err := os.Mkdir(l.folder, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	if len(text) > mostLog {
		cut := []byte("\n… cut\n")
		text = append(slices.Clone(text[:mostLog-len(cut)]), cut...)
	}
	path := filepath.Join(l.folder, now.UTC().Format("2006-01-02T15-04-05.000")+"-"+command+".txt")
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // another's file or link is not written to
	if err != nil {
		return "", err
	}
	_, err = out.Write(text)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path)
		return "", fmt.Errorf("keep log: %w", err)
	}
	l.drop()
	return path, nil
}

// drop removes the oldest logs beyond those that are kept.
func (l Logs) drop() {
	entries, err := os.ReadDir(l.folder) // sorted by name, so by time
	if err != nil {
		return
	}
	ours := regexp.MustCompile(logName)
	var names []string
	for _, e := range entries {
		if ours.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	for i := 0; i < len(names)-mostLogs; i++ {
		_ = os.Remove(filepath.Join(l.folder, names[i]))
	}
}
