package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
)

type sum struct{ A, B int }
type total struct{ Total int }

// openAdmin serves a few commands on a data folder until the test ends.
func openAdmin(t *testing.T, data string) *server.Admin {
	t.Helper()
	a, err := server.OpenAdmin(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.HandleAdmin(a, "/add", func(_ context.Context, s sum) (total, error) {
		if s.A < 0 {
			return total{}, iam.Wrap(errors.New("row 7 is locked"), iam.FailedPrecondition, "A is %d", s.A)
		}
		return total{s.A + s.B}, nil
	})
	server.HandleAdmin(a, "/break", func(context.Context, struct{}) (struct{}, error) {
		return struct{}{}, errors.New("disk on fire")
	})
	go a.Serve()
	t.Cleanup(func() { _ = a.Shutdown(context.Background()) })
	return a
}

func TestAdmin(t *testing.T) {
	data := t.TempDir()
	openAdmin(t, data)
	info, err := os.Lstat(filepath.Join(data, server.AdminSocket))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	client := server.NewAdminClient(data)
	var got total
	if err := client.Call(t.Context(), "/add", sum{2, 3}, &got); err != nil || got.Total != 5 {
		t.Errorf("2 + 3 = %v, %v", got, err)
	}
	err = client.Call(t.Context(), "/add", sum{-1, 3}, &got)
	if !errors.Is(err, iam.FailedPrecondition) || !strings.Contains(err.Error(), "A is -1") || strings.Contains(err.Error(), "locked") {
		t.Errorf("a refusal: %v", err)
	}
	if err := client.Call(t.Context(), "/break", struct{}{}, nil); !errors.Is(err, iam.Internal) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("a failure: %v", err)
	}
	if err := client.Call(t.Context(), "/add", map[string]int{"C": 1}, &got); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("an unknown field: %v", err)
	}
	if err := client.Call(t.Context(), "/other", nil, nil); !errors.Is(err, iam.Unimplemented) {
		t.Errorf("an unknown command: %v", err)
	}
}

func TestAdminNotRunning(t *testing.T) {
	data := t.TempDir()
	client := server.NewAdminClient(data)
	if err := client.Call(t.Context(), "/add", sum{}, nil); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	stale(t, filepath.Join(data, server.AdminSocket))
	if err := client.Call(t.Context(), "/add", sum{}, nil); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("nobody behind the socket: %v", err)
	}
	openAdmin(t, data) // takes the dead socket's place
	if err := client.Call(t.Context(), "/add", sum{}, nil); err != nil {
		t.Error(err)
	}
}

// stale leaves a socket that nobody listens on, as kill -9 does.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestAdminLeavesOthersAlone(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	t.Run("a living server", func(t *testing.T) {
		data := t.TempDir()
		openAdmin(t, data)
		if _, err := server.OpenAdmin(t.Context(), data, quiet); err == nil || !strings.Contains(err.Error(), "another server") {
			t.Errorf("error = %v", err)
		}
		if err := server.NewAdminClient(data).Call(t.Context(), "/add", sum{}, nil); err != nil {
			t.Errorf("the living server is gone: %v", err)
		}
	})
	t.Run("a file", func(t *testing.T) {
		data := t.TempDir()
		path := filepath.Join(data, server.AdminSocket)
		write(t, path, []byte("precious"))
		if _, err := server.OpenAdmin(t.Context(), data, quiet); err == nil || !strings.Contains(err.Error(), "no socket") {
			t.Errorf("error = %v", err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
			t.Errorf("the file: %q, %v", text, err)
		}
	})
	t.Run("a successor's socket", func(t *testing.T) {
		data := t.TempDir()
		a := openAdmin(t, data)
		path := filepath.Join(data, server.AdminSocket)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		openAdmin(t, data)
		if err := a.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := server.NewAdminClient(data).Call(t.Context(), "/add", sum{}, nil); err != nil {
			t.Errorf("the successor: %v", err)
		}
	})
}

func TestAdminShutdownRemovesTheSocket(t *testing.T) {
	data := t.TempDir()
	a := openAdmin(t, data)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := a.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(data, server.AdminSocket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestAdminInADeepFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(data, server.AdminSocket)
	openAdmin(t, data)
	if _, err := os.Lstat(stale); err != nil {
		t.Error(err)
	}
	var got total
	if err := server.NewAdminClient(data).Call(t.Context(), "/add", sum{1, 1}, &got); err != nil || got.Total != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := server.OpenAdmin(t.Context(), data, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a second server takes the socket over")
	}
}
