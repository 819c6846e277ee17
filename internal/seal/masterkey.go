package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	maxID       = 32
	maxKeyText  = 64 << 10
	commandTime = 30 * time.Second
)

// MasterKey wraps data keys. Printed, it shows its id alone.
type MasterKey struct {
	ID  string // 1 to 32 of a-z, 0-9, - and _
	key [keySize]byte
}

// Format hides the key whatever the verb.
func (k MasterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "master key "+k.ID) }

// MarshalText hides the key from every text encoding.
func (k MasterKey) MarshalText() ([]byte, error) { return []byte("master key " + k.ID), nil }

// NewMasterKey makes a master key from the system's randomness.
func NewMasterKey(id string) MasterKey {
	k := MasterKey{ID: id}
	_, _ = rand.Read(k.key[:]) // crypto/rand.Read never fails: it ends the program instead
	return k
}

// ParseMasterKeys reads master keys, one a line: an id, white space, and 32
// bytes in standard base64. Empty lines and lines that begin with # are
// skipped. The first key is the one that seals. Errors name the line, never
// what it holds.
func ParseMasterKeys(text []byte) ([]MasterKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("master keys: longer than %d bytes", maxKeyText)
	}
	var keys []MasterKey
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("master keys: line %d: want an id and a key", n+1)
		}
		if !legalID(fields[0]) {
			return nil, fmt.Errorf("master keys: line %d: the id must be 1 to %d of a-z, 0-9, - and _", n+1, maxID)
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(fields[1])
		if err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("master keys: line %d: the key must be %d bytes in base64", n+1, keySize)
		}
		keys = append(keys, MasterKey{ID: fields[0], key: [keySize]byte(raw)})
		clear(raw)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("master keys: none given")
	}
	return keys, nil
}

// WriteMasterKey writes a key to a new file of mode 0600, in the form that
// ParseMasterKeys reads. A file that is there already is left alone, as an
// error: to lose a master key is to lose what it sealed. A crash leaves the
// whole file or none.
func WriteMasterKey(path string, k MasterKey) error {
	if !legalID(k.ID) {
		return fmt.Errorf("master key: the id must be 1 to %d of a-z, 0-9, - and _", maxID)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".master-key-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%s %s\n", k.ID, base64.StdEncoding.EncodeToString(k.key[:]))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path) // unlike a rename it puts nothing in another's place
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	return nil
}

// syncFolder makes a new name in a folder last, before something elsewhere is
// sealed under what it names.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // folders are not opened there
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load makes a box from where the operator keeps the master keys:
//
//	file:PATH         a file that no one but its owner and group may read
//	env:NAME          an environment variable
//	command:PROG ARG… the standard output of a program (no shell, 30 s)
//
// each in the form that ParseMasterKeys reads.
func Load(ctx context.Context, source string) (*Box, error) {
	kind, rest, _ := strings.Cut(source, ":")
	var text []byte
	var err error
	switch kind {
	case "file":
		text, err = readFile(rest)
	case "env":
		value, ok := os.LookupEnv(rest)
		if !ok {
			err = fmt.Errorf("%s is not set", rest)
		}
		text = []byte(value)
	case "command":
		text, err = runCommand(ctx, rest)
	default:
		err = fmt.Errorf("want file:PATH, env:NAME or command:PROGRAM, not %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("master keys: %w", err)
	}
	defer clear(text)
	keys, err := ParseMasterKeys(text)
	if err != nil {
		return nil, err
	}
	return New(keys[0], keys[1:]...)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s may be read by everyone (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, maxKeyText+1))
}

func runCommand(ctx context.Context, line string) ([]byte, error) {
	args := strings.Fields(line)
	if len(args) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout = &stdout
	// What it says on stderr goes nowhere: it might quote a key.
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	return stdout.Bytes(), nil
}

func legalID(id string) bool {
	if len(id) < 1 || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
