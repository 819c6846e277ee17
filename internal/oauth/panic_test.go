package oauth_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/oauth"
)

type brokenGate struct{ with any }

func (g brokenGate) Call(context.Context, *gate.Request) (*gate.Response, error) { panic(g.with) }

// A fault of this server is answered as the protocol does, and told in the log
// alone; net/http's own word for "hang up" goes through.
func TestPanics(t *testing.T) {
	const secret = "rt1.AAAAAAAAAAAAAAAAAAAAAAAA"
	var log bytes.Buffer
	d := door(nil)
	d.Gate, d.Log = brokenGate{"of " + secret}, slog.New(slog.NewTextHandler(&log, nil))
	w := httptest.NewRecorder()
	d.ServeHTTP(w, post(oauth.TokenPath, "grant_type=refresh_token&client_id=c&refresh_token="+secret))
	id := w.Header().Get("X-Request-Id")
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"error":"server_error"`) || strings.Contains(w.Body.String(), "rt1.") ||
		w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if id == "" || !strings.Contains(log.String(), id) || strings.Contains(log.String(), secret) {
		t.Errorf("request %q, log %s", id, log.String())
	}
	d.Log = nil
	w = httptest.NewRecorder()
	if d.ServeHTTP(w, post(oauth.RevokePath, "client_id=c&token=t")); w.Code != 500 {
		t.Errorf("without a log: %d", w.Code)
	}
	d.Gate = brokenGate{http.ErrAbortHandler}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("hanging up became %v", p)
		}
	}()
	d.ServeHTTP(httptest.NewRecorder(), post(oauth.RevokePath, "client_id=c&token=t"))
}
