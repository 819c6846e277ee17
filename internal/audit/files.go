package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files of a journal are named for the offset at which they begin, so that
// their names sort as their contents do. A file may end in zero bytes: the room
// is written ahead, because overwriting makes fdatasync cheaper than growing.
const (
	fileSuffix = ".journal"
	newSuffix  = ".new" // not yet a file of the journal
)

// journalFile is one file of a journal on disk.
type journalFile struct {
	path   string
	length int64 // of the header
	header fileHeader
}

// position is where in the file an offset of the journal is.
func (f *journalFile) position(offset int64) int64 { return f.length + offset - f.header.Offset }

// file is what the journal does to a file it writes.
type file interface {
	io.WriterAt
	Sync() error // of the data, and of what is needed to read them back
	Truncate(size int64) error
	Close() error
}

type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return syncData(f.File) }

func filePath(dir string, offset int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", offset, fileSuffix))
}

// listFiles returns the files of the journal in a folder, oldest first, and
// removes what a crash has left of one that was being made.
func listFiles(dir string) ([]*journalFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []*journalFile
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasSuffix(e.Name(), newSuffix):
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		case strings.HasSuffix(e.Name(), fileSuffix):
			f, err := readHeader(path)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b *journalFile) int { return cmp.Compare(a.header.Offset, b.header.Offset) })
	return files, nil
}

func readHeader(path string) (*journalFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, maxFileHeader)
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	h, length, err := parseFileHeader(buf[:n])
	if err != nil {
		return nil, &LossError{File: path, Reason: err.Error()}
	}
	if path != filePath(filepath.Dir(path), h.Offset) {
		return nil, &LossError{File: path, Reason: fmt.Sprintf("begins at offset %d, which is not its name", h.Offset)}
	}
	return &journalFile{path: path, length: int64(length), header: h}, nil
}

// createFile makes an empty file of a journal that begins at a mark. Either it
// is there, durably, or nothing is.
func createFile(dir string, h fileHeader) (*journalFile, *os.File, error) {
	path := filePath(dir, h.Offset)
	header := h.encode()
	f, err := os.OpenFile(path+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, err
	}
	_, err = f.Write(header)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+newSuffix, path)
	}
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path + newSuffix)
		return nil, nil, err
	}
	return &journalFile{path: path, length: int64(len(header)), header: h}, f, nil
}

const readSize = 1 << 20 // bytes read at once, and about the size of a segment

// readBatches reads whole batches of a file from a mark on and hands them to fn
// in runs of about readSize bytes. It stops at offset until, which must be the
// end of a batch, or where no batch continues the chain; it returns the mark
// there. The run is valid only during the call.
func readBatches(r io.ReaderAt, f *journalFile, at mark, until int64, fn func(run []byte, from, to mark) error) (mark, error) {
	buf := make([]byte, 0, min(readSize, max(until-at.offset, 0)))
	for at.offset < until {
		n, err := r.ReadAt(buf[len(buf):min(int64(cap(buf)), until-at.offset)], f.position(at.offset)+int64(len(buf)))
		buf = buf[:len(buf)+n]
		if err != nil && err != io.EOF {
			return at, err
		}
		end, used := at, 0
		for rest := buf; ; {
			_, after, left, ok := cutBatch(rest, end)
			if !ok {
				break
			}
			end, rest, used = after, left, len(buf)-len(left)
		}
		if used == 0 {
			if n == 0 || int64(len(buf)) == until-at.offset || bytes.HasSuffix(buf, []byte{0}) {
				return at, nil
			}
			if len(buf) == cap(buf) {
				buf = slices.Grow(buf, cap(buf)) // a batch longer than the buffer
			}
			continue
		}
		if err := fn(buf[:used], at, end); err != nil {
			return at, err
		}
		at = end
		buf = append(buf[:0], buf[used:]...)
	}
	return at, nil
}

// tailOf reads what a file holds after a mark, without the zeros at its end.
func tailOf(r io.ReaderAt, f *journalFile, at mark) ([]byte, error) {
	tail, err := io.ReadAll(io.NewSectionReader(r, f.position(at.offset), 1<<62))
	return bytes.TrimRight(tail, "\x00"), err
}
