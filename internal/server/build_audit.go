package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// buildAudit opens the journal in the data folder.
func (s *Server) buildAudit(ctx context.Context) error {
	node, err := nodeID(s.cfg.Data)
	if err != nil {
		return err
	}
	mode := audit.Durable
	if s.cfg.AuditTokens == AuditBuffered {
		mode = audit.Buffered
	}
	report := func(err error) { s.log.Error("audit journal", "error", err) }
	s.journal, err = audit.Open(ctx, audit.Config{
		Dir: filepath.Join(s.cfg.Data, "journal"), Node: node, Archive: audit.InStore(s.db), Mode: mode,
		AcceptLoss: s.cfg.AcceptJournalLoss, Report: report, Now: s.now,
	})
	if _, lost := errors.AsType[*audit.LossError](err); lost {
		return fmt.Errorf("%w; --accept-journal-loss accepts it", err)
	}
	if err != nil {
		return err
	}
	s.later(func() error { return s.journal.Close(context.Background()) })
	s.refusals = audit.NewRefusals(audit.RefusalsConfig{Record: s.journal.Record, Now: s.now, Report: report})
	s.later(func() error { s.refusals.Close(); return nil })
	s.metrics.MustRegister(s.journal, s.refusals)
	s.used = newLastUsed(s.db, s.now, s.log)
	return nil
}

// runAudit ships the journal to the store until ctx ends.
func (s *Server) runAudit(ctx context.Context) error {
	s.journal.Run(ctx)
	return nil
}

// reasonOf is the short word that refusals are counted by.
func reasonOf(err error) string {
	var e *iam.Error
	if errors.As(err, &e) && e.Reason != "" {
		return e.Reason
	}
	return iam.KindOf(err).Error()
}

// recorder leaves the lines of calls that changed no row: it implements
// gate.Recorder.
type recorder struct{ s *Server }

func (s *Server) recorder() gate.Recorder { return recorder{s} }

// Issued returns when the line of an issued token is durable.
func (r recorder) Issued(_ context.Context, c *gate.Call) error {
	return r.s.journal.Record(gate.EventOf(c, nil))
}

// Failed records refusals, and failures of changes. A bad request for a read
// is nobody's business but the caller's.
func (r recorder) Failed(ctx context.Context, c *gate.Call, err error) {
	kind := iam.KindOf(err)
	// What is hidden and what never was are recorded alike: waiting for the
	// disk in one case only would tell them apart.
	refusal := kind == iam.NotFound || kind == iam.Unauthenticated || kind == iam.PermissionDenied
	if !refusal && c.Rule.Effect == gate.Reads {
		return
	}
	var lost error
	if c.Identity == nil {
		lost = r.s.refusals.Record(gate.EventOf(c, err), reasonOf(err))
	} else {
		lost = r.s.journal.Record(gate.EventOf(c, err))
	}
	if lost != nil {
		r.s.log.ErrorContext(ctx, "a refusal has no audit line", "request_id", c.RequestID, "error", lost)
	}
}
