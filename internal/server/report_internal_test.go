package server

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// An error that comes every second is logged once a minute, another at once.
func TestReport(t *testing.T) {
	var text bytes.Buffer
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	report := newReport(slog.New(slog.NewTextHandler(&text, nil)), "keys", func() time.Time { return now })
	for range 300 {
		report(errors.New("no master key"))
		now = now.Add(time.Second)
	}
	if n := strings.Count(text.String(), "no master key"); n != 5 {
		t.Errorf("%d lines in five minutes", n)
	}
	report(errors.New("no database"))
	now = now.Add(-time.Hour) // a clock that is set back hides nothing
	report(errors.New("no database"))
	if n := strings.Count(text.String(), "no database"); n != 2 {
		t.Errorf("%d lines", n)
	}
}
