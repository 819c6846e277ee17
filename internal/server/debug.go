package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry makes a metrics registry that knows the process, the Go runtime
// and the build already.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
		collectors.NewBuildInfoCollector(),
	)
	return r
}

// DebugOptions is what the debug listener shows.
type DebugOptions struct {
	Registry *prometheus.Registry
	// Healthy fails when only a restart helps; nil: always well.
	Healthy func(context.Context) error
	// Ready fails while calls should go to another node; nil: always ready.
	Ready func(context.Context) error
	PProf bool
	Log   *slog.Logger
}

const (
	debugRead   = 10 * time.Second
	debugAnswer = 2 * time.Minute // a CPU profile takes 30 s
	probeAnswer = 5 * time.Second
)

// DebugHandler serves /metrics, /healthz, /readyz and, if asked, /debug/pprof/.
func DebugHandler(o DebugOptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: debugRead,
	}))
	mux.Handle("GET /healthz", probe(o.Healthy))
	mux.Handle("GET /readyz", probe(o.Ready))
	if o.PProf {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// probe answers 200 or 503, and why, as JSON.
func probe(check func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeAnswer)
		defer cancel()
		answer := struct {
			Status  string `json:"status"`
			Reason  string `json:"reason,omitempty"`
			Version string `json:"version"`
		}{Status: "ok", Version: Version()}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if check != nil {
			if err := check(ctx); err != nil {
				answer.Status, answer.Reason = "failing", err.Error()
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// Version is the program's version from its build information.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// Debug is the debug listener: bound by OpenDebug, served by Serve.
type Debug struct {
	listener net.Listener
	server   *http.Server
}

// OpenDebug binds the debug listener. It returns nil when the listener is off.
func OpenDebug(ctx context.Context, c *Config, o DebugOptions) (*Debug, error) {
	if c.DebugListen == Off {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.DebugListen)
	if err != nil {
		return nil, fmt.Errorf("debug-listen: %w", err)
	}
	if o.PProf && !isLoopback(l.Addr().String()) {
		l.Close()
		return nil, fmt.Errorf("pprof: debug-listen %s is not on loopback", l.Addr())
	}
	if !isLoopback(l.Addr().String()) {
		o.Log.Warn("the debug listener is open to other machines: whoever reaches it may read the metrics", "address", l.Addr().String())
	}
	return &Debug{
		listener: l,
		server: &http.Server{
			Handler: DebugHandler(o), ReadHeaderTimeout: debugRead, ReadTimeout: debugRead,
			WriteTimeout: debugAnswer, IdleTimeout: debugAnswer, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// Addr is the bound address, "" when the listener is off.
func (d *Debug) Addr() string {
	if d == nil {
		return ""
	}
	return d.listener.Addr().String()
}

// Serve answers until Shutdown, then returns nil.
func (d *Debug) Serve() error {
	if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("debug listener: %w", err)
	}
	return nil
}

// Shutdown closes the listener; probes in progress are few and short.
func (d *Debug) Shutdown(ctx context.Context) error {
	defer d.listener.Close()
	return d.server.Shutdown(ctx)
}

// Component serves the listener as part of a group; nothing when it is off.
func (d *Debug) Component() Component {
	if d == nil {
		return Component{Name: "debug listener"}
	}
	return Component{Name: "debug listener", Run: func(context.Context) error { return d.Serve() }, Stop: d.Shutdown}
}
