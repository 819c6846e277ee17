package server

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/store"
)

// buildDebug binds the debug listener and registers what it measures.
func (s *Server) buildDebug(ctx context.Context) (err error) {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	s.metrics.MustRegister(
		gauge("propusk_feed_position", "Position of the change feed that this node has applied.",
			func() float64 { return float64(s.replica.Position()) }),
		gauge("propusk_cache_bytes", "Bytes of remembered rows.", func() float64 { return float64(s.replica.Stats().Bytes) }),
		gauge("propusk_cache_entries", "Remembered rows.", func() float64 { return float64(s.replica.Stats().Entries) }),
		counter("propusk_cache_misses_total", "Look-ups that went to the database.", func() float64 { return float64(s.replica.Stats().Misses) }),
		counter("propusk_cache_forgotten_total", "Times that everything remembered was forgotten.",
			func() float64 { return float64(s.replica.Stats().Forgotten) }),
	)
	s.debug, err = OpenDebug(ctx, &s.cfg, DebugOptions{
		Registry: s.metrics, Healthy: s.alive, Ready: s.isReady, PProf: s.cfg.PProf, Log: s.log})
	return err
}

// alive fails when a restart might help: when a database of this process's own
// does not answer, not when one that is elsewhere is away.
func (s *Server) alive(ctx context.Context) error {
	if s.shared() {
		return nil
	}
	return s.healthy(ctx)
}

// healthy fails when the database does not answer.
func (s *Server) healthy(ctx context.Context) error {
	return s.db.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Head()
		return err
	})
}

// feedStale is how old the last look at the feed may be for a node to count as ready.
const feedStale = 5 * time.Second

func (s *Server) isReady(ctx context.Context) error {
	if !s.ready.Load() {
		return errors.New("starting")
	}
	select {
	case <-s.doors.Stopping():
		return errors.New("stopping")
	default:
	}
	if s.now().Sub(s.replica.Heard()) > feedStale {
		return errors.New("the change feed has not been read lately")
	}
	return s.healthy(ctx)
}
