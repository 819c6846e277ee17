package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var nodeName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`) })

// Open opens a node's journal, or makes it on the node's first start. It checks
// everything that the archive has not yet got against the chain, and against
// what the archive has seen of it: what a crash has left unfinished is removed,
// since nobody was told that it was written; anything else amiss is a LossError.
func Open(ctx context.Context, cfg Config) (*Journal, error) {
	if !nodeName().MatchString(cfg.Node) {
		return nil, fmt.Errorf("audit journal: node name %q: want 1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'", cfg.Node)
	}
	cfg.setDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit journal: %w", err)
	}
	lock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("audit journal: folder %s is in use: %w", cfg.Dir, err)
	}
	j := &Journal{cfg: cfg, lock: lock, turn: make(chan struct{}, 1), company: make(chan struct{}, 1), patience: time.NewTimer(time.Hour)}
	j.patience.Stop()
	j.w = writer{dir: cfg.Dir, rotateAt: cfg.RotateAt, wrap: cfg.wrap}
	if err := j.open(ctx); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return j, nil
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = 100 * time.Millisecond
	}
	if c.ShipEvery == 0 {
		c.ShipEvery = time.Second
	}
	if c.RotateAt == 0 {
		c.RotateAt = defaultRotateAt
	}
}

func (j *Journal) open(ctx context.Context) error {
	seen, err := j.cfg.Archive.Checkpoint(ctx, j.cfg.Node)
	if err != nil {
		return fmt.Errorf("audit journal: what the store knows of it: %w", err)
	}
	found, err := inspect(j.cfg.Dir, j.cfg.Node, seen)
	var loss *LossError
	switch {
	case errors.As(err, &loss) && j.cfg.AcceptLoss:
		return j.startOver(ctx, loss)
	case err != nil:
		return err
	case found == nil:
		return j.begin(ctx)
	}
	return j.resume(found)
}

// found is a journal as it lies on disk.
type found struct {
	files    []*journalFile
	imported mark // what the archive has
	end      mark // of the last whole batch
	torn     int  // bytes after it that a crash has left
}

// inspect reads what is on disk and not yet in the archive; nil when the node
// has never had a journal.
func inspect(dir, node string, seen *store.AuditCheckpoint) (*found, error) {
	files, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		if seen == nil {
			return nil, nil
		}
		return nil, lossf(dir, "it is empty, but the store has seen %d bytes of journal %s", seen.Offset, seen.Incarnation)
	}
	first := files[0].header
	for _, f := range files {
		if f.header.Node != node || f.header.Incarnation != first.Incarnation {
			return nil, lossf(f.path, "it belongs to journal %s of node %s", f.header.Incarnation, f.header.Node)
		}
	}
	at := mark{head: firstHead(node, first.Incarnation)}
	if seen != nil {
		if seen.Incarnation != first.Incarnation {
			return nil, lossf(files[0].path, "it belongs to journal %s, but the store has last seen %s", first.Incarnation, seen.Incarnation)
		}
		at = mark{offset: seen.Offset}
		copy(at.head[:], seen.Head)
	}
	if first.Offset > at.offset {
		return nil, lossf(files[0].path, "it begins at offset %d, but the store has only what lies before %d", first.Offset, at.offset)
	}
	return follow(files, at)
}

// follow checks the chain through the files from a mark on.
func follow(files []*journalFile, at mark) (*found, error) {
	fd := &found{files: files, imported: at}
	for i, f := range files {
		last := i == len(files)-1
		if !last && files[i+1].header.Offset <= at.offset {
			continue // the archive has all of it
		}
		if f.header.Offset > at.offset {
			return nil, lossf(files[i-1].path, "it ends at offset %d, but the next file begins at %d", at.offset, f.header.Offset)
		}
		if f.header.Offset == at.offset && f.header.mark() != at {
			return nil, lossf(f.path, "it does not continue the chain")
		}
		var err error
		if at, fd.torn, err = followFile(f, at, last); err != nil {
			return nil, err
		}
	}
	fd.end = at
	return fd, nil
}

func followFile(f *journalFile, at mark, last bool) (end mark, torn int, err error) {
	r, err := os.Open(f.path)
	if err != nil {
		return at, 0, err
	}
	defer r.Close()
	if err := endsAt(r, f, at); err != nil {
		return at, 0, err
	}
	end, err = readBatches(r, f, at, math.MaxInt64/2, func([]byte, mark, mark) error { return nil })
	if err != nil {
		return at, 0, err
	}
	tail, err := tailOf(r, f, end)
	if err != nil || len(tail) == 0 {
		return end, 0, err
	}
	if !last || !isTorn(tail) {
		return end, 0, lossf(f.path, "the chain breaks in the batch at byte %d", f.position(end.offset))
	}
	return end, len(tail), nil
}

// endsAt checks that the batch before a mark is there, and ends as it should.
func endsAt(r io.ReaderAt, f *journalFile, at mark) error {
	if at.offset == f.header.Offset {
		return nil
	}
	got := make([]byte, chainLength)
	n, err := r.ReadAt(got, f.position(at.offset)-int64(chainLength))
	if err != nil && err != io.EOF {
		return err
	}
	if h, ok := chainLine(got[:n]); !ok || h != at.head {
		return lossf(f.path, "the store has seen a batch that ends at byte %d, and there is none", f.position(at.offset))
	}
	return nil
}

// begin makes the first file of a new journal.
func (j *Journal) begin(ctx context.Context) error {
	j.incarnation = resource.NewID("log")
	start := mark{head: firstHead(j.cfg.Node, j.incarnation)}
	current, f, err := createFile(j.cfg.Dir, fileHeader{Version: fileVersion, Node: j.cfg.Node, Incarnation: j.incarnation, Head: start.head.String()})
	if err != nil {
		return fmt.Errorf("audit journal: %w", err)
	}
	j.w.use(current, diskFile{f}, start)
	j.files, j.durable, j.imported = []*journalFile{current}, start, start
	if err := j.cfg.Archive.Import(ctx, nil, j.checkpoint(start)); err != nil {
		return errors.Join(fmt.Errorf("audit journal: first checkpoint: %w", err), j.w.close())
	}
	return nil
}

// resume goes on with the journal on disk.
func (j *Journal) resume(fd *found) error {
	current := fd.files[len(fd.files)-1]
	f, err := os.OpenFile(current.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	j.incarnation = current.header.Incarnation
	j.w.use(current, diskFile{f}, fd.end)
	if err := j.w.settle(); err != nil {
		return errors.Join(fmt.Errorf("audit journal: %w", err), f.Close())
	}
	j.files, j.durable, j.imported = fd.files, fd.end, fd.imported
	j.stats.Torn = uint64(fd.torn)
	return nil
}

// startOver puts the old files aside, begins a new journal and notes in it why.
func (j *Journal) startOver(ctx context.Context, loss *LossError) error {
	aside, err := setAside(j.cfg.Dir, j.cfg.Now())
	if err != nil {
		return fmt.Errorf("audit journal: setting the old files aside: %w", err)
	}
	if err := j.begin(ctx); err != nil {
		return err
	}
	return j.Record(&Event{
		Type:   TypeLossAccepted,
		Status: Done,
		Details: Details{
			Text("node", j.cfg.Node), Text("incarnation", j.incarnation),
			Text("file", loss.File), Text("reason", loss.Reason), Text("kept_in", aside),
		},
	})
}

// Close refuses further lines, writes what is pending, ships what it can while
// ctx lives, and closes the files. An error means that something that was taken
// is not on disk; what is on disk but not shipped is shipped after the next Open.
func (j *Journal) Close(ctx context.Context) error {
	err := j.drain()
	if shipErr := j.Ship(ctx); shipErr != nil {
		j.report(shipErr)
	}
	j.shipping.Lock()
	defer j.shipping.Unlock()
	if j.lock == nil {
		return err
	}
	err = errors.Join(err, j.w.close(), j.lock.Close())
	j.lock = nil
	return err
}
