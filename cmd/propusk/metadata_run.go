package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/server"
)

// metadataPatience is how long requests may take to end at a shutdown.
const metadataPatience = 10 * time.Second

// metadataProgram is everything that `propusk metadata` runs.
type metadataProgram struct {
	log      *slog.Logger
	settings *metadataSettings
	sources  *metadataSources
	doors    []*metadata.Door // in the order of settings.Listeners, as servers are
	servers  []*metadata.Server
	debug    *server.Debug
}

func openMetadata(ctx context.Context, s *metadataSettings, log *slog.Logger) (_ *metadataProgram, err error) {
	m := &metadataProgram{log: log, settings: s}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if m.sources, err = openSources(s.Settings, log); err != nil {
		return nil, err
	}
	registry := server.NewRegistry()
	metrics := metadata.NewMetrics(registry)
	metadata.WatchAccounts(registry, m.sources.reporters())
	for i := range s.Listeners {
		if err := m.listen(ctx, &s.Listeners[i], metrics); err != nil {
			return nil, fmt.Errorf("listener %s: %w", s.Listeners[i].Name, err)
		}
	}
	for name, pool := range m.sources.pools {
		metadata.WatchPool(registry, name, pool.Statuses)
	}
	return m, m.openDebug(ctx, registry)
}

func (m *metadataProgram) listen(ctx context.Context, l *metadata.ListenerSettings, metrics *metadata.Metrics) error {
	accounts, err := m.sources.accountsOf(l)
	if err != nil {
		return err
	}
	d, err := metadata.New(metadata.Config{Name: l.Name, Accounts: accounts, Instance: l.Instance, Options: l.Options, Function: l.Function,
		Hosts: l.Hosts, HopLimit: l.HopLimit, MaxWaiters: l.MaxWaiters, Log: m.log, Metrics: metrics})
	if err != nil {
		return err
	}
	s, err := metadata.Listen(ctx, metadata.ServerConfig{Name: l.Name, Address: l.Listen, Interfaces: l.Interfaces, Shared: l.Shared,
		MaxConnections: l.MaxConnections, Log: m.log, Metrics: metrics}, d)
	if err != nil {
		return err
	}
	m.doors, m.servers = append(m.doors, d), append(m.servers, s)
	return nil
}

// openDebug binds the debug listener as the server does its own.
func (m *metadataProgram) openDebug(ctx context.Context, registry *prometheus.Registry) (err error) {
	at := m.settings.DebugListen
	if at == "" {
		at = server.Off
	}
	m.debug, err = server.OpenDebug(ctx, &server.Config{DebugListen: at},
		server.DebugOptions{Registry: registry, Ready: m.sources.ready, Log: m.log})
	return err
}

// run serves until ctx ends or a listener fails.
func (m *metadataProgram) run(ctx context.Context) error {
	g := server.NewGroup(metadataPatience)
	parts := []server.Component{m.debug.Component(), {Name: "settings", Run: m.reloadOnSignal}}
	if w := m.sources.watcher; w != nil {
		parts = append(parts, server.Component{Name: "pods", Run: func(ctx context.Context) error { w.Run(ctx); return nil }})
	}
	var at []string
	for _, s := range m.servers {
		at = append(at, s.Addr())
		parts = append(parts, server.Component{Name: "metadata address", Stop: s.Shutdown,
			Run: func(context.Context) error { return s.Serve() }})
	}
	for _, c := range parts {
		if err := g.Start(ctx, c); err != nil {
			return err
		}
	}
	m.log.Info("serving metadata", "listen", strings.Join(at, ","), "debug", m.debug.Addr(), "version", server.Version())
	err := g.Wait(ctx)
	m.log.Info("stopped")
	return err
}

func (m *metadataProgram) close() {
	for _, s := range m.servers {
		s.Close()
	}
	if m.sources != nil {
		m.sources.close()
	}
}

// reloadOnSignal reads the settings again on SIGHUP.
func (m *metadataProgram) reloadOnSignal(ctx context.Context) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			if err := m.reload(); err != nil {
				m.log.Error("the settings were not taken up", "error", err)
			} else {
				m.log.Info("the settings were taken up")
			}
		}
	}
}

// reload takes up what listeners tell of their machine. What else has changed
// would change who gets whose tokens, and wants a restart.
func (m *metadataProgram) reload() error {
	s, err := m.settings.again()
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(withoutInstances(s), withoutInstances(m.settings.Settings)) {
		return errors.New("more than instances has changed: that needs a restart")
	}
	for i, d := range m.doors {
		if err := d.SetInstance(s.Listeners[i].Instance); err != nil {
			return err
		}
	}
	m.settings.Settings = s
	return nil
}

func withoutInstances(s *metadata.Settings) metadata.Settings {
	c := *s
	c.Listeners = nil
	for _, l := range s.Listeners {
		l.Instance, l.UserDataFile = metadata.Instance{}, ""
		c.Listeners = append(c.Listeners, l)
	}
	return c
}
