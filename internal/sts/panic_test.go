package sts_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/sts"
)

type brokenGate struct{ with any }

func (g brokenGate) Call(context.Context, *gate.Request) (*gate.Response, error) { panic(g.with) }

// A fault of this server is answered as AWS does, and told in the log alone;
// net/http's own word for "hang up" goes through.
func TestPanics(t *testing.T) {
	var log bytes.Buffer
	d := &sts.Door{Gate: brokenGate{"of the gate"}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", "http://sts.example.com/?"+whoami, nil))
		return w
	}
	w := ask()
	id := w.Header().Get("X-Request-Id")
	if w.Code != 500 || !strings.Contains(w.Body.String(), "<Code>InternalFailure</Code>") || strings.Contains(w.Body.String(), "of the gate") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if id == "" || !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "of the gate") {
		t.Errorf("request %q, log %s", id, log.String())
	}
	if d.Log = nil; ask().Code != 500 {
		t.Error("without a log")
	}
	d.Gate = brokenGate{http.ErrAbortHandler}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("hanging up became %v", p)
		}
	}()
	ask()
}
