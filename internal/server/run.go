package server

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Run serves until ctx ends or a part fails, then stops everything in reverse
// order and closes the data. The end of ctx is no error.
func (s *Server) Run(ctx context.Context) error {
	g := NewGroup(s.cfg.ShutdownTimeout)
	background := func(name string, run func(context.Context) error) Component {
		return Component{Name: name, Run: func(ctx context.Context) error {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		}}
	}
	parts := []Component{
		background("change feed", s.replica.Run),
		background("change feed wake", s.runWake),
		background("signing keys", func(ctx context.Context) error { s.keyring.Run(ctx); return nil }),
		background("keys of ID tokens", func(ctx context.Context) error {
			return s.every(ctx, time.Hour, "keys of ID tokens", s.idKeys.RotateDue)
		}),
		background("keys of registry tokens", func(ctx context.Context) error {
			return s.every(ctx, time.Hour, "keys of registry tokens", s.registryKeys.RotateDue)
		}),
		background("revocations", func(ctx context.Context) error { s.revoked.Run(ctx); return nil }),
		background("audit journal", s.runAudit),
		s.used.component(),
		background("look-ups of access keys", s.runLookups),
		background("planned deletions", func(ctx context.Context) error { return s.every(ctx, time.Second, "deletions", s.deletions.RunDue) }),
		s.expiries(),
		background("cleaning", func(ctx context.Context) error { return s.every(ctx, 10*time.Minute, "cleaning", s.clean) }),
	}
	if s.outbox != nil {
		parts = append(parts, background("mail", func(ctx context.Context) error { return s.every(ctx, time.Second, "mail", s.outbox.RunDue) }))
	}
	if s.debug != nil {
		parts = append(parts, s.debug.Component())
	}
	if s.admin != nil {
		parts = append(parts, s.admin.Component())
	}
	if s.accessDoor != nil {
		parts = append(parts, s.accessDoor.Component(s.accessGRPC))
	}
	parts = append(parts, s.doors.Component(s.pages, s.grpc))
	for _, p := range parts {
		if err := g.Start(ctx, p); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	s.hintBootstrap(ctx)
	s.log.Info("serving", "http", s.HTTPAddr(), "grpc", s.GRPCAddr(), "debug", s.debug.Addr(), "access", s.AccessAddr(),
		"tls", s.doors.Encrypted(), "data", s.cfg.Data, "version", Version())
	s.ready.Store(true)
	// At once, and not when the last call in progress has ended.
	told := context.AfterFunc(ctx, func() {
		s.ready.Store(false)
		s.log.Info("stopping")
	})
	err := g.Wait(ctx)
	told()
	s.ready.Store(false)
	err = errors.Join(err, s.Close())
	s.log.Info("stopped")
	return err
}

// hintBootstrap tells those who start for the first time what is missing.
func (s *Server) hintBootstrap(ctx context.Context) {
	var some []*iam.Organization
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		some, err = store.ListOrganizations(tx, store.Page{Limit: 1})
		return err
	})
	if err == nil && len(some) == 0 {
		s.log.Warn("there is no organization yet, so nobody can sign in: `propusk bootstrap` makes one, while this server runs or not")
	}
}

// every does a job now and then. A failure is logged and the job tried again:
// all jobs are conditional updates that may run on many nodes at once.
func (s *Server) every(ctx context.Context, period time.Duration, name string, job func(context.Context) error) error {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := job(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "background work failed", "job", name, "error", err)
			}
		}
	}
}

// feedKept is how much of the change feed stays: far more than a node may lag.
const feedKept = 100_000

// clean forgets what has expired.
func (s *Server) clean(ctx context.Context) error {
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := store.DeleteExpiredIdempotency(tx); err != nil {
			return err
		}
		if err := store.DeleteExpiredOAuthTokens(tx, tx.Now().Add(-oauthTokensKept)); err != nil {
			return err
		}
		if err := s.cleanSignIn(tx); err != nil {
			return err
		}
		head, err := tx.Head()
		if err != nil || head <= feedKept {
			return err
		}
		_, err = store.TrimChanges(tx, head-feedKept)
		return err
	})
	return errors.Join(err, s.cleanForbiddenRefreshTokens(ctx))
}
