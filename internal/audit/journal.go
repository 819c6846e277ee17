package audit

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Mode says when Append returns.
type Mode uint8

// The modes of a journal.
const (
	Durable  Mode = iota // when the line is on disk
	Buffered             // at once; the line is on disk within FlushEvery
)

// Config is what a Journal needs.
type Config struct {
	Dir     string // its own folder; made when missing
	Node    string // name of this node: 1 to 64 of [A-Za-z0-9._-]; one journal at a time has it
	Archive Archive
	Mode    Mode

	AcceptLoss bool             // start although lines are lost: keep the old files aside, note it, begin anew
	Report     func(error)      // called with what goes wrong in the background; may be nil
	Now        func() time.Time // time.Now when nil
	FlushEvery time.Duration    // of a Buffered journal; 100 ms when 0
	ShipEvery  time.Duration    // how often Run ships; 1 s when 0
	RotateAt   int64            // bytes of a file before the next begins; 64 MiB when 0

	wrap func(file) file
}

// Journal is an append-only, hash-chained file of event lines on the node's own
// disk. Callers that append at the same time share one write and one fdatasync:
// the first leads, the others wait for it. It is safe for concurrent use.
type Journal struct {
	cfg         Config
	incarnation string
	lock        *os.File
	w           writer // of whoever leads

	crowd    int           // lines that are under way at one time, as last seen; under mu
	company  chan struct{} // tells the leader that gathers that all are there
	patience *time.Timer   // of the leader that gathers

	mu      sync.Mutex
	pending *batch // gathers lines; nil when there are none
	busy    bool   // somebody leads
	turn    chan struct{}
	spare   []byte // a buffer to use again
	closed  bool
	broken  error // a Buffered journal's last failure, until a write succeeds
	armed   bool  // a flush is due
	drained chan struct{}
	durable mark
	files   []*journalFile
	stats   Stats

	shipping sync.Mutex // one Ship at a time
	reading  sync.Mutex // guards imported, and files against removal
	imported mark
	alarmed  bool // Report knows that the chain is broken; under shipping
}

// batch is what one write makes durable.
type batch struct {
	lines []byte
	count int
	led   bool // somebody will write it

	gathering bool // its leader waits for more lines; under mu
	done      chan struct{}
	err       error
}

const fullBuffer = 1 << 20 // bytes from which a Buffered journal writes at once

var errClosed = iam.Errorf(iam.Unavailable, "the server is shutting down")

// Append writes one event's line, given without line end, and returns when the
// mode's promise holds. UNAVAILABLE means that the line does not count: nothing
// that needs it may leave. The journal recovers by itself when the disk does.
func (j *Journal) Append(line []byte) error {
	if !isEventLine(line) {
		return errors.New("audit: not an event's line")
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return errClosed
	}
	if j.broken != nil {
		err := j.broken
		j.mu.Unlock()
		return err
	}
	b := j.add(line)
	j.joined(b)
	if j.cfg.Mode == Buffered && len(b.lines) < fullBuffer {
		j.arm()
		j.mu.Unlock()
		return nil
	}
	j.finish(b)
	return b.err
}

// Record encodes an event and appends it. It fills in the event's id, source
// and time when they are empty.
func (j *Journal) Record(e *Event) error {
	e.complete(j.cfg.Now)
	buf := lineBuffers.Get().(*[]byte)
	line := e.AppendJSON((*buf)[:0])
	err := j.Append(line)
	if cap(line) <= 16<<10 {
		*buf = line
		lineBuffers.Put(buf)
	}
	return err
}

var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// isEventLine says whether a line can be told from the journal's own lines and
// has the time by which it is sought.
func isEventLine(line []byte) bool {
	_, timed := timeIn(line)
	return timed && len(line) <= MaxEventSize && bytes.HasPrefix(line, []byte(eventOpen)) && bytes.IndexByte(line, '\n') < 0
}

// add puts a line into the pending batch. Under mu.
func (j *Journal) add(line []byte) *batch {
	b := j.pending
	if b == nil {
		b = &batch{lines: j.spare[:0], done: make(chan struct{})}
		j.spare, j.pending = nil, b
	}
	b.lines = append(append(b.lines, line...), '\n')
	b.count++
	return b
}

// finish returns when the pending batch b is written or has failed. It is called
// under mu and gives it back.
func (j *Journal) finish(b *batch) {
	switch {
	case !j.busy:
		j.busy, b.led = true, true
		j.mu.Unlock()
	case !b.led:
		b.led = true
		j.mu.Unlock()
		<-j.turn
	default:
		j.mu.Unlock()
		<-b.done
		return
	}
	// Whoever is ready to run may have a line too. On an idle machine this
	// costs nothing; on a busy one it halves the number of writes.
	runtime.Gosched()
	j.gather(b)
	j.lead(b)
}

// lead writes the pending batch b, of which no other goroutine is in charge.
func (j *Journal) lead(b *batch) {
	j.mu.Lock()
	j.pending = nil
	j.mu.Unlock()

	start := j.cfg.Now()
	err := j.w.commit(b.lines)
	took := j.cfg.Now().Sub(start)

	j.mu.Lock()
	j.learn(b)
	if j.stats.Seconds += took.Seconds(); err != nil {
		b.err = unwritable(err)
		j.stats.Failures++
		j.keep(b)
	} else {
		j.stats.Batches++
		j.stats.Lines += uint64(b.count)
		j.durable, j.broken = j.w.at, nil
		if last := j.files[len(j.files)-1]; last != j.w.current {
			j.files = append(j.files, j.w.current)
		}
		if cap(b.lines) <= 2*fullBuffer {
			j.spare = b.lines
		}
	}
	switch {
	case j.pending != nil && j.pending.led:
		j.turn <- struct{}{}
	default:
		j.busy = false
		if j.drained != nil {
			close(j.drained)
			j.drained = nil
		}
	}
	j.mu.Unlock()
	close(b.done)
}

// keep holds on to the lines of a failed batch when their callers have been
// told that all is well. Under mu.
func (j *Journal) keep(b *batch) {
	if j.cfg.Mode != Buffered {
		return
	}
	j.broken = b.err
	if p := j.pending; p != nil {
		p.lines = append(b.lines, p.lines...)
		p.count += b.count
	} else {
		j.pending = &batch{lines: b.lines, count: b.count, done: make(chan struct{})}
	}
	j.arm()
}

// arm has the pending batch written soon. Under mu.
func (j *Journal) arm() {
	if j.armed || j.closed {
		return
	}
	j.armed = true
	time.AfterFunc(j.cfg.FlushEvery, func() {
		j.mu.Lock()
		j.armed = false
		b := j.pending
		if b == nil || j.closed {
			j.mu.Unlock()
			return
		}
		j.finish(b)
		if b.err != nil {
			j.report(b.err)
		}
	})
}

// drain refuses further lines and returns when all that were taken are written
// or have failed.
func (j *Journal) drain() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	var err error
	if b := j.pending; b != nil {
		j.finish(b)
		err = b.err
		j.mu.Lock()
	}
	if !j.busy {
		j.mu.Unlock()
		return err
	}
	drained := make(chan struct{})
	j.drained = drained
	j.mu.Unlock()
	<-drained
	return err
}

func (j *Journal) report(err error) {
	if j.cfg.Report != nil {
		j.cfg.Report(err)
	}
}

func unwritable(err error) error {
	e := iam.Wrap(err, iam.Unavailable, "The audit journal cannot be written")
	e.RetryAfter = time.Second
	e.Reason = "audit"
	return e
}
