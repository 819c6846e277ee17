package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

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
	_, err = io.WriteString(f, k.line())
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

// AddMasterKey puts a key on top of a file of master keys, in a line of its own
// before all that is there, which stays: the new key seals, the others go on
// opening. Mode and owner of the file stay too, and a crash leaves the old file
// or the new one.
func AddMasterKey(path string, k MasterKey) error {
	if err := addMasterKey(path, k); err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	return nil
}

func addMasterKey(path string, k MasterKey) error {
	if !legalID(k.ID) {
		return fmt.Errorf("the id must be 1 to %d of a-z, 0-9, - and _", maxID)
	}
	path, err := filepath.EvalSymlinks(path) // the rename would put a file in the link's place
	if err != nil {
		return err
	}
	old, err := readFile(path)
	if err != nil {
		return err
	}
	defer clear(old)
	text := append([]byte(k.line()), old...)
	defer clear(text)
	keys, err := ParseMasterKeys(text)
	if err != nil {
		return err
	}
	if _, err := New(keys[0], keys[1:]...); err != nil { // an id twice
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".master-key-*") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, keepOwner(f, info), f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return err
	}
	// Whoever has written to the file meanwhile must not lose a key by this.
	if now, err := readFile(path); err != nil || !bytes.Equal(now, old) {
		return errors.Join(err, fmt.Errorf("%s was changed by another at the same time: try again", path))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
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
