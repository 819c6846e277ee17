package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// tree is a PATH: a file, or a folder and all below it.
type tree struct {
	path  string   // as it was named, or of a file the one that a link leads to
	start string   // the folder, without links
	below *os.Root // nil of a file
}

// openTree opens what the user has named; a link there is followed.
func openTree(path string) (*tree, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return &tree{path: path}, nil // opening it tells what is wrong
	}
	start, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return &tree{path: start}, nil
	}
	if kernelMade(start) {
		return nil, errKernel
	}
	below, err := os.OpenRoot(start)
	return &tree{path, start, below}, err
}

func (t *tree) close() {
	if t.below != nil {
		_ = t.below.Close()
	}
}

// shown is the name of a file for people.
func (t *tree) shown(rel string) string { return filepath.Join(t.path, rel) }

// walk calls for every file that is to be searched, by its path from the tree's
// on, and with an error for what could not be read.
func (t *tree) walk(ignore *ignored, visit func(rel string, err error) error) error {
	if t.below == nil {
		return visit("", nil)
	}
	return filepath.WalkDir(t.start, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(t.start, path)
		if err != nil {
			return visit(rel, err)
		}
		switch {
		case d.IsDir() && kernelMade(path):
			return filepath.SkipDir
		case rel == ".":
		case d.Name() == ".git", ignore.skips(filepath.ToSlash(rel)):
			if d.IsDir() {
				return filepath.SkipDir
			}
		case d.Type().IsRegular():
			return visit(rel, nil)
		}
		return nil
	})
}

var (
	errNoFile = errors.New("is no regular file")
	errKernel = errors.New("holds no files: the kernel speaks there")
)

// open opens a file of the tree. It stays within the folder, whatever has become
// of what lies between since the walk.
func (t *tree) open(rel string) (*os.File, error) {
	if t.below == nil {
		return openRegular(t.path)
	}
	path := t.shown(rel)
	f, err := t.below.OpenFile(rel, os.O_RDONLY|openSafely, 0)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = &fs.PathError{Op: "open", Path: path, Err: e.Err}
	}
	return regular(f, path, err)
}

// openRegular opens a file that is one, and nothing else.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openSafely, 0)
	return regular(f, path, err)
}

// regular closes what was opened and is no regular file.
func regular(f *os.File, path string, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s %w", path, errNoFile))
	}
	if kernelMade(path) && f.SetReadDeadline(time.Time{}) == nil { // who reads it may have to wait
		_ = f.Close()
		return nil, fmt.Errorf("%s %w", path, errNoFile)
	}
	return f, nil
}
