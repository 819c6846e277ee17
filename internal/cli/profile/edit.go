package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// lockPatience is how long one process waits for another that writes.
const lockPatience = 5 * time.Second

// Change reads the file at path, edits it and puts it back, whole or not at
// all, with mode 0600; one process at a time does. A symbolic link stays: what
// it leads to is written.
func Change(path string, edit func(*File) error) error {
	real, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isLink(path):
		return fmt.Errorf("config file: %s is a symbolic link to nothing", path)
	case errors.Is(err, fs.ErrNotExist):
		real = path
	case err != nil:
		return fmt.Errorf("config file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(real), 0o700); err != nil {
		if isLink(filepath.Dir(real)) {
			return fmt.Errorf("config file: the folder %s is a symbolic link to nothing", filepath.Dir(real))
		}
		return fmt.Errorf("config file: %w", err)
	}
	unlock, err := lock(real+".lock", lockPatience)
	if err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	defer unlock()
	dropTorn(real)
	f, err := Read(real)
	if err != nil {
		return err
	}
	if err := edit(f); err != nil {
		return err
	}
	data, err := f.encode()
	if err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	if err := replace(real, data); err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	return nil
}

func encode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(n), e.Close())
	return b.Bytes(), err
}

// replace puts data at path with mode 0600: a reader sees the old file or the
// new one, never half of one.
func replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), newOf(path)) // mode 0600 from the start
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails, as it should, once renamed
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}

func newOf(path string) string { return "." + filepath.Base(path) + ".new-*" }

// dropTorn removes what a process that was killed has left beside path, whose
// lock is held.
func dropTorn(path string) {
	folder, prefix := filepath.Dir(path), strings.TrimSuffix(newOf(path), "*")
	left, _ := os.ReadDir(folder)
	for _, e := range left {
		if strings.HasPrefix(e.Name(), prefix) {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}
