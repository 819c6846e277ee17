package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// WriteMasterKey writes a key to a new file of mode 0600, in the form that
// ParseMasterKeys reads. A file that is there already is left alone, as an
// error: to lose a master key is to lose what it sealed. A crash leaves the
// whole file or none.
func WriteMasterKey(path string, k MasterKey) error {
	if !legalID(k.ID) {
		return fmt.Errorf("master key: the id must be 1 to %d of a-z, 0-9, - and _", maxID)
	}
	f, err := os.CreateTemp(filepath.Dir(path), draftPrefix(path)+"*"+draftSuffix) // of mode 0600
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

// A file of master keys is written beside its place, under such a name.
const draftSuffix = ".new"

func draftPrefix(path string) string { return "." + filepath.Base(path) + "." }

// removeDrafts takes away what commands that were killed have left beside a
// file, which may be the only copies of keys that are to be gone. What is in
// the way of it is in the way of everything else too.
func removeDrafts(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), draftPrefix(path)) && strings.HasSuffix(e.Name(), draftSuffix) {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
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
	release, err := lock(path)
	if err != nil {
		return err
	}
	defer release()
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
	removeDrafts(path)
	draft, err := writeDraft(path, text)
	if err != nil {
		return err
	}
	defer os.Remove(draft)
	// Whoever has written to the file meanwhile must not lose a key by this.
	now, err := readFile(path)
	defer clear(now)
	if err != nil || !bytes.Equal(now, old) {
		return errors.Join(err, errChanged(path))
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s has the new key %s on top, but a power cut may undo that: %w", path, k.ID, err)
	}
	return nil
}

func errChanged(path string) error {
	return fmt.Errorf("%s was changed by another at the same time: try again", path)
}

// writeDraft writes a text beside a file, with that one's mode and owner.
func writeDraft(path string, text []byte) (draft string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), draftPrefix(path)+"*"+draftSuffix) // of mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, keepOwner(f, info), f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// lock keeps other commands from the file until release; it does not wait for
// them.
func lock(path string) (release func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = lockOpen(f)
	if err == nil {
		// By the time it was locked another file may have been put in its place.
		var locked, there os.FileInfo
		if locked, err = f.Stat(); err == nil {
			there, err = os.Stat(path)
		}
		if err == nil && !os.SameFile(locked, there) {
			err = errChanged(path)
		}
	} else {
		err = fmt.Errorf("%s is being changed by another: try again: %w", path, err)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// settle makes a file that others may have written last, with its name: what is
// sealed under its keys is made to last at once. What cannot be made to, such
// as a pipe or a folder that may not be read, is left to those who made it.
func settle(path string) error {
	if runtime.GOOS == "windows" { // a file that is open for reading is not flushed there
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	f, err := os.Open(real)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	err = syncUnlessRefused(f.Sync())
	for _, folder := range slices.Compact([]string{filepath.Dir(real), filepath.Dir(path)}) {
		err = errors.Join(err, syncUnlessRefused(syncFolder(folder)))
	}
	if err != nil {
		return fmt.Errorf("%s may not survive a power cut: %w", path, err)
	}
	return nil
}

func syncUnlessRefused(err error) error {
	for _, refusal := range []error{os.ErrPermission, syscall.EINVAL, syscall.EROFS, errors.ErrUnsupported} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	return err
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
