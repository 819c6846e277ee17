package server

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// The forms of the log.
const (
	LogText = "text"
	LogJSON = "json"
)

const (
	logFlush = 100 * time.Millisecond // the longest that a line waits
	logEager = 64 << 10               // bytes that wake the flusher early
	logFull  = 1 << 20                // bytes at which writers wait for the output
)

// OpenLog makes the server's log on out. Lines are buffered for 100 ms at
// most, those at level error not at all. The writer must be closed at the
// program's end, or its last lines are lost.
func OpenLog(out io.Writer, c *Config) (*slog.Logger, *LogWriter) {
	w := newLogWriter(out)
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if c.LogFormat == LogJSON {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(&urgentHandler{h, w}), w
}

// urgentHandler puts errors on the output at once: they may be the last words.
type urgentHandler struct {
	slog.Handler
	out *LogWriter
}

func (h *urgentHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelError {
		h.out.Flush()
	}
	return err
}

func (h *urgentHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return &urgentHandler{h.Handler.WithAttrs(a), h.out}
}

func (h *urgentHandler) WithGroup(name string) slog.Handler {
	return &urgentHandler{h.Handler.WithGroup(name), h.out}
}

// LogWriter gathers lines and writes many with one system call. A slow output
// holds up nobody until logFull bytes wait for it.
type LogWriter struct {
	out  io.Writer
	wake chan struct{} // something is there to write
	push chan struct{} // and it should not wait
	quit chan struct{}
	gone chan struct{}
	once sync.Once

	mu    sync.Mutex
	room  sync.Cond
	lines []byte
	ended bool // nobody flushes any more: every line is written at once

	writing sync.Mutex // held around out.Write, so that batches keep their order
	spare   []byte
}

func newLogWriter(out io.Writer) *LogWriter {
	w := &LogWriter{
		out: out, wake: make(chan struct{}, 1), push: make(chan struct{}, 1),
		quit: make(chan struct{}), gone: make(chan struct{}),
	}
	w.room.L = &w.mu
	go w.run()
	return w
}

// Write takes whole lines. It does not fail: there is no one to tell.
func (w *LogWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	for len(w.lines) >= logFull {
		w.room.Wait()
	}
	was := len(w.lines)
	w.lines = append(w.lines, p...)
	is, ended := len(w.lines), w.ended
	w.mu.Unlock()
	if ended {
		w.Flush()
		return len(p), nil
	}
	if was == 0 {
		signal(w.wake)
	}
	if was < logEager && is >= logEager {
		signal(w.push)
	}
	return len(p), nil
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run sleeps while nothing is logged: an idle server has no ticking timer.
func (w *LogWriter) run() {
	defer close(w.gone)
	for {
		select {
		case <-w.wake:
		case <-w.quit:
			w.Flush()
			return
		}
		timer := time.NewTimer(logFlush)
		select {
		case <-timer.C:
		case <-w.push:
		case <-w.quit:
		}
		timer.Stop()
		w.Flush()
	}
}

// Flush writes what is there.
func (w *LogWriter) Flush() {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	lines := w.lines
	w.lines = w.spare[:0]
	w.room.Broadcast()
	w.mu.Unlock()
	if len(lines) > 0 {
		_, _ = w.out.Write(lines)
	}
	if w.spare = lines; cap(lines) > 8*logEager { // a burst's buffer is not kept
		w.spare = nil
	}
}

// Close writes what is there; lines that come later are written one by one.
func (w *LogWriter) Close() {
	w.once.Do(func() { close(w.quit) })
	<-w.gone
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.Flush()
}
