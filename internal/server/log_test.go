package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
)

func TestLogIsGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := new(syncBuffer)
		log, w := server.OpenLog(out, &server.Config{LogFormat: server.LogText})
		log.Info("one")
		log.Debug("not shown")
		time.Sleep(90 * time.Millisecond)
		if got := out.String(); got != "" {
			t.Errorf("written at once: %q", got)
		}
		time.Sleep(20 * time.Millisecond)
		if got := out.String(); !strings.Contains(got, "msg=one") || strings.Contains(got, "not shown") {
			t.Errorf("after 110 ms: %q", got)
		}
		log.With("a", 1).WithGroup("g").Error("two")
		if got := out.String(); !strings.Contains(got, "msg=two") {
			t.Errorf("an error waits: %q", got)
		}
		log.Info("three")
		w.Close()
		if got := out.String(); !strings.HasSuffix(got, "msg=three\n") {
			t.Errorf("after closing: %q", got)
		}
		log.Info("four")
		if got := out.String(); !strings.HasSuffix(got, "msg=four\n") {
			t.Errorf("after the end: %q", got)
		}
		w.Close()
	})
}

func TestLogJSONHidesSecrets(t *testing.T) {
	out := new(syncBuffer)
	log, w := server.OpenLog(out, &server.Config{LogFormat: server.LogJSON, LogLevel: slog.LevelDebug})
	log.Debug("call", "secret", iam.NewSecret("hunter2"), "text", "a\nb")
	w.Close()
	var line map[string]any
	if err := json.Unmarshal([]byte(out.String()), &line); err != nil {
		t.Fatal(err)
	}
	if line["text"] != "a\nb" || line["secret"] == "hunter2" || line["level"] != "DEBUG" {
		t.Errorf("%v", line)
	}
}

// stuckWriter blocks until it is released.
type stuckWriter struct {
	syncBuffer
	release chan struct{}
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.release
	return w.syncBuffer.Write(p)
}

func TestLogWithSlowOutput(t *testing.T) {
	out := &stuckWriter{release: make(chan struct{})}
	log, w := server.OpenLog(out, &server.Config{LogFormat: server.LogText})
	const writers, lines = 8, 2000
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for j := range lines {
				log.Info("line", "i", i, "j", j, "padding", strings.Repeat("x", 100))
			}
		})
	}
	time.Sleep(150 * time.Millisecond)
	close(out.release)
	all.Wait()
	w.Close()
	text := out.String()
	if n := strings.Count(text, "\n"); n != writers*lines {
		t.Errorf("%d lines, want %d", n, writers*lines)
	}
	for i := range writers { // each writer's lines are there in their order
		at := 0
		for j := range lines {
			found := strings.Index(text[at:], fmt.Sprintf(" i=%d j=%d ", i, j))
			if found < 0 {
				t.Fatalf("line %d of writer %d is missing or out of order", j, i)
			}
			at += found
		}
	}
}

// The line of one call, as the gate writes it.
func BenchmarkLogLine(b *testing.B) {
	for _, format := range []string{server.LogText, server.LogJSON} {
		b.Run(format, func(b *testing.B) {
			log, w := server.OpenLog(io.Discard, &server.Config{LogFormat: format})
			defer w.Close()
			ctx := context.Background()
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%200 == 0 {
					w.Flush() // as a server's clock does
				}
				log.LogAttrs(ctx, slog.LevelInfo, "call",
					slog.String("method", "/yandex.cloud.iam.v1.IamTokenService/Create"), slog.String("door", "rest"),
					slog.Uint64("code", 0), slog.Duration("took", 123456),
					slog.String("request_id", "0f3c4f0e-6f4d-4b1e-8f0e-0d6f1f1f2a3b"), slog.String("subject", "ajeabcdefghijklmnopq"),
					slog.String("remote", "192.0.2.1"), slog.String("error", ""))
			}
		})
	}
}
