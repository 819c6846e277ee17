package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// untilGone ends when ctx does, or when the terminal goes, unless that is ignored
// (nohup), or when gone is called. Neither a terminal nor a log that goes may end
// this program at once: handlers' processes would live on.
func untilGone(ctx context.Context) (_ context.Context, gone context.CancelCauseFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a write fails, and nothing else
	ctx, cancel := context.WithCancelCause(ctx)
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, cancel
	}
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	go func() {
		select {
		case <-hangUp:
			cancel(fmt.Errorf("the terminal has gone: %w", context.Canceled))
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// lastingWriter is a log that handlers can write to though nobody reads it any
// more. It is safe for concurrent use if the writer below is.
type lastingWriter struct {
	io.Writer
	gone context.CancelCauseFunc
}

// Write implements io.Writer and never fails.
func (w *lastingWriter) Write(text []byte) (int, error) {
	if _, err := w.Writer.Write(text); err != nil {
		w.gone(fmt.Errorf("the log cannot be written: %w", err))
	}
	return len(text), nil
}
