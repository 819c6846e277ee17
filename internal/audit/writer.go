package audit

import "errors"

const (
	defaultRotateAt = 64 << 20 // bytes of batches in a file
	writeAhead      = 2 << 20  // bytes of zeros written ahead of the batches
)

// writer appends batches to the newest file. One goroutine at a time uses it:
// the one that leads a batch.
type writer struct {
	dir      string
	rotateAt int64
	wrap     func(file) file // for tests that make a disk fail

	current   *journalFile
	file      file
	at        mark  // the end of what is durable
	size      int64 // of the file, zeros ahead included; a guess after a failure
	unsettled bool  // the file may hold bytes after at
	zeros     []byte
}

// commit appends event lines as one batch and makes it durable. On an error
// nothing of it counts and the writer stands where it stood.
func (w *writer) commit(lines []byte) error {
	if w.unsettled {
		if err := w.settle(); err != nil {
			return err
		}
	}
	if w.at.offset-w.current.header.Offset >= w.rotateAt {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	next := mark{head: w.at.head.next(lines)}
	batch := appendChain(lines, next.head)
	next.offset = w.at.offset + int64(len(batch))
	position := w.current.position(w.at.offset)
	if end := position + int64(len(batch)); end > w.size {
		w.reserve(end)
	}
	w.unsettled = true
	if _, err := w.file.WriteAt(batch, position); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.unsettled = false
	w.at = next
	return nil
}

// reserve writes zeros up to some way beyond end. When there is no room for
// them there may still be room for the batch.
func (w *writer) reserve(end int64) {
	if w.zeros == nil {
		w.zeros = make([]byte, 64<<10)
	}
	for w.size < end+writeAhead {
		n, err := w.file.WriteAt(w.zeros, w.size)
		w.size += int64(n)
		if err != nil {
			w.unsettled = true
			w.size = max(w.size, end)
			return
		}
	}
}

// settle removes what a failed commit has left behind. That must be durable
// before anything is written there, or a crash could mix the two.
func (w *writer) settle() error {
	end := w.current.position(w.at.offset)
	if err := w.file.Truncate(end); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.size, w.unsettled = end, false
	return nil
}

// rotate begins a new file.
func (w *writer) rotate() error {
	if err := w.settle(); err != nil {
		return err
	}
	h := w.current.header
	h.Offset, h.Head = w.at.offset, w.at.head.String()
	current, f, err := createFile(w.dir, h)
	if err != nil {
		return err
	}
	old := w.file
	w.use(current, diskFile{f}, w.at)
	_ = old.Close() // its contents are durable since settle
	return nil
}

func (w *writer) use(current *journalFile, f file, at mark) {
	if w.wrap != nil {
		f = w.wrap(f)
	}
	w.current, w.file, w.at = current, f, at
	w.size, w.unsettled = current.position(at.offset), false
}

// close drops the zeros ahead and closes the file.
func (w *writer) close() error { return errors.Join(w.settle(), w.file.Close()) }
