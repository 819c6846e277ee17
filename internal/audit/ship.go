package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// Run ships the journal to the archive every ShipEvery until ctx ends. What
// fails is reported and tried again; a broken chain is reported once.
func (j *Journal) Run(ctx context.Context) {
	ticker := time.NewTicker(j.cfg.ShipEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := j.Ship(ctx); err != nil && ctx.Err() == nil {
				j.report(err)
			}
		}
	}
}

// Ship brings all that is durable into the archive, about 1 MiB at a time, each
// with a checkpoint in the same transaction, and removes files that the archive
// has whole. It checks the chain on the way: what was changed on disk meanwhile
// stays there and is a LossError, the first time it is seen.
func (j *Journal) Ship(ctx context.Context) error {
	j.shipping.Lock()
	defer j.shipping.Unlock()
	if j.lock == nil {
		return nil
	}
	t, err := j.tail()
	if err != nil {
		return err
	}
	defer t.close()
	err = t.read(func(run []byte, from, to mark) error {
		if err := j.cfg.Archive.Import(ctx, []*store.AuditSegment{j.segment(run, from, to)}, j.checkpoint(to)); err != nil {
			return fmt.Errorf("audit journal: shipping it to the store: %w", err)
		}
		j.reading.Lock()
		j.imported = to
		j.reading.Unlock()
		return nil
	})
	j.count(func(s *Stats) {
		if err != nil {
			s.ShipFailures++
		} else if t.from != t.to {
			s.Shipped++
		}
		s.Broken = errors.Is(err, ErrLoss)
	})
	if errors.Is(err, ErrLoss) {
		if j.alarmed {
			return nil
		}
		j.alarmed = true
	}
	return errors.Join(err, j.removeShipped())
}

func (j *Journal) segment(run []byte, from, to mark) *store.AuditSegment {
	first, last := spanOf(run)
	return &store.AuditSegment{
		Node: j.cfg.Node, Incarnation: j.incarnation, Offset: from.offset, Length: to.offset - from.offset,
		FirstTime: first, LastTime: last, ChainHead: bytes.Clone(to.head[:]), Data: pack(run),
	}
}

func (j *Journal) checkpoint(at mark) *store.AuditCheckpoint {
	return &store.AuditCheckpoint{
		Node: j.cfg.Node, Incarnation: j.incarnation, Offset: at.offset, Head: bytes.Clone(at.head[:]), At: j.cfg.Now(),
	}
}

// spanOf returns the earliest and the latest time of the events in a run.
func spanOf(run []byte) (first, last time.Time) {
	var low, high []byte // RFC 3339 in UTC with six digits sorts as time does
	eachLine(run, func(line []byte) {
		t, ok := timeIn(line)
		if !ok {
			return
		}
		if low == nil || bytes.Compare(t, low) < 0 {
			low = t
		}
		if bytes.Compare(t, high) > 0 {
			high = t
		}
	})
	first, _ = time.Parse(time.RFC3339Nano, string(low))
	last, _ = time.Parse(time.RFC3339Nano, string(high))
	epoch := time.Unix(0, 0).UTC() // nothing was recorded before it, and the store keeps no zero time
	return later(first, epoch), later(last, epoch)
}

// timeIn finds the text of an event's time in its line. A quote within a string
// is escaped, so the first match is the member itself.
func timeIn(line []byte) ([]byte, bool) {
	const length = len("2006-01-02T15:04:05.000000Z")
	i := bytes.Index(line, []byte(timeMember))
	if i < 0 || i+len(timeMember)+length > len(line) {
		return nil, false
	}
	return line[i+len(timeMember):][:length], true
}

// removeShipped removes the files of which the archive has everything, except
// the one that is being written.
func (j *Journal) removeShipped() error {
	j.reading.Lock()
	defer j.reading.Unlock()
	j.mu.Lock()
	var gone []*journalFile
	for len(j.files) > 1 && j.files[1].header.Offset <= j.imported.offset {
		gone = append(gone, j.files[0])
		j.files = j.files[1:]
	}
	j.mu.Unlock()
	var errs []error
	for _, f := range gone {
		errs = append(errs, os.Remove(f.path))
	}
	return errors.Join(errs...)
}

// tail is the part of a journal between two marks, held open: removing its
// files does not take it away.
type tail struct {
	from, to mark
	files    []*journalFile
	open     []*os.File
}

// tail is what is durable and not yet in the archive.
func (j *Journal) tail() (*tail, error) {
	j.reading.Lock()
	defer j.reading.Unlock()
	j.mu.Lock()
	t := &tail{from: j.imported, to: j.durable}
	for i, f := range j.files {
		if i == len(j.files)-1 || j.files[i+1].header.Offset > t.from.offset {
			t.files = append(t.files, f)
		}
	}
	j.mu.Unlock()
	if t.from == t.to {
		t.files = nil
	}
	for _, f := range t.files {
		r, err := os.Open(f.path)
		if err != nil {
			t.close()
			if errors.Is(err, os.ErrNotExist) {
				return nil, lossf(f.path, "it is gone")
			}
			return nil, err
		}
		t.open = append(t.open, r)
	}
	return t, nil
}

// read hands out the tail in runs of whole batches; each is valid only during
// the call.
func (t *tail) read(fn func(run []byte, from, to mark) error) error {
	at := t.from
	for i, f := range t.files {
		until := t.to.offset
		if i < len(t.files)-1 {
			until = t.files[i+1].header.Offset
		}
		var err error
		if at, err = readBatches(t.open[i], f, at, until, fn); err != nil {
			return err
		}
		if at.offset != until {
			return lossf(f.path, "the chain breaks in the batch at byte %d", f.position(at.offset))
		}
	}
	if len(t.files) > 0 && at != t.to {
		return lossf(t.files[len(t.files)-1].path, "the chain ends in %s instead of %s", at.head, t.to.head)
	}
	return nil
}

func (t *tail) close() {
	for _, f := range t.open {
		_ = f.Close() // only read
	}
}
