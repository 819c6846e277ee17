package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/server"
)

func TestDebugHandler(t *testing.T) {
	ready := errors.New("the store is not open yet")
	options := server.DebugOptions{
		Registry: server.NewRegistry(),
		Ready:    func(context.Context) error { return ready },
	}
	for _, tt := range []struct {
		path   string
		status int
		says   string
	}{
		{"/healthz", 200, `"status":"ok"`},
		{"/readyz", 503, `"reason":"the store is not open yet"`},
		{"/metrics", 200, "go_goroutines"},
		{"/metrics", 200, "process_cpu_seconds_total"},
		{"/debug/pprof/", 404, ""},
		{"/", 404, ""},
	} {
		w := httptest.NewRecorder()
		server.DebugHandler(options).ServeHTTP(w, httptest.NewRequest("GET", tt.path, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s", tt.path, w.Code, w.Body)
		}
	}
	options.PProf, ready = true, nil
	for _, path := range []string{"/readyz", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"} {
		w := httptest.NewRecorder()
		server.DebugHandler(options).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestDebugListener(t *testing.T) {
	options := server.DebugOptions{Registry: server.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
	d, err := server.OpenDebug(t.Context(), &server.Config{DebugListen: "127.0.0.1:0"}, options)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve() }()
	response, err := http.Get("http://" + d.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode != 200 || !strings.Contains(string(body), "version") {
		t.Errorf("%s %s", response.Status, body)
	}
	if err := errors.Join(d.Shutdown(t.Context()), <-served); err != nil {
		t.Error(err)
	}

	off, err := server.OpenDebug(t.Context(), &server.Config{DebugListen: server.Off}, options)
	if err != nil || off.Addr() != "" || off.Component().Run != nil {
		t.Errorf("a listener that is off: %v, %v", off, err)
	}
	options.PProf = true
	if d, err := server.OpenDebug(t.Context(), &server.Config{DebugListen: "0.0.0.0:0"}, options); err == nil {
		_ = d.Shutdown(t.Context())
		t.Error("profiles are shown to other machines")
	}
}
