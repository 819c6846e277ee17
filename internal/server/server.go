// Package server puts the rooms together: it opens the data, builds each room
// with what it needs, opens the listeners and runs the whole until it is told
// to stop. It is the only package that knows all rooms; it owns no rule.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi/resourcemanager"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream"
	"github.com/propusk/propusk/token"
)

// Options are what a program decides about a server, not its operator.
type Options struct {
	// Dev makes the development server: its own data, certificate authority
	// and plaintext beside TLS. A database made by it is refused without it.
	Dev bool
	// Memory keeps the database in memory; Data then holds only the journal.
	Memory bool
	// Quiet opens the data without listeners, for operator commands.
	Quiet bool
	// Existing refuses to make a database where none is: most likely the
	// folder's name is mistaken.
	Existing bool
	Log      *slog.Logger
	Now      func() time.Time
}

// Server is a whole Propusk. New opens it, Run serves, Close gives it back.
type Server struct {
	cfg  Config
	opts Options
	log  *slog.Logger
	now  func() time.Time

	engine     store.Engine
	db         *store.DB
	box        *seal.Box
	replica    *replica.Replica
	verifier   *token.Verifier
	keyring    *mint.Keyring
	minter     *mint.Minter
	created    bodyProof // of IamTokenService.Create
	idKeys     *mint.IDKeys
	dpop       *grant.DPoP
	revoked    *revocation.List
	journal    *audit.Journal
	refusals   *audit.Refusals
	checker    *access.Checker
	used       *lastUsed
	deletions  *resourcemanager.Deletions
	gate       *gate.Gate
	grpc       *grpc.Server
	metrics    *prometheus.Registry
	doors      *Doors
	accessDoor *AccessDoor
	accessGRPC *grpc.Server
	debug      *Debug
	admin      *Admin
	dev        *DevWorld
	certNames  []string // names in the certificate that the listeners show
	pages      http.Handler
	ready      atomic.Bool
	searchable atomic.Bool // fillLookups came to its end once

	roles *rolebook // keeps checker's catalogue

	registryKeys *mint.RegistryKeys

	passwords *signin.Passwords
	upstream  *upstream.Providers
	places    signin.Places
	smtp      *mail.SMTP   // nil: no mail is sent
	outbox    *mail.Outbox // nil with it

	master sync.Mutex // one rotation of the master key at a time

	closers []func() error
}

// New opens everything up to and including the listeners, so that addresses
// are known and clients wait. On an error nothing is left open.
func New(ctx context.Context, cfg Config, opts Options) (_ *Server, err error) {
	cfg.SetDefaults()
	if err := cfg.Check(opts.Dev); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, opts: opts, log: opts.Log, now: opts.Now, metrics: NewRegistry()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.openFolder(); err != nil {
		return nil, err
	}
	steps := []func(context.Context) error{s.buildStore, s.buildKeys, s.buildAudit, s.buildAccess, s.buildSignIn, s.buildJoining}
	if opts.Dev {
		steps = append(steps, s.buildDev)
	}
	if !opts.Quiet {
		steps = append(steps, s.buildUpstream, s.buildDoors, s.buildAPI, s.buildAdmin, s.buildDebug)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if opts.Dev && !opts.Quiet {
		if err := s.writeDevEnv(); err != nil {
			return nil, fmt.Errorf("development data: %w", err)
		}
	}
	return s, nil
}

// later gives something back when the server closes, the last first.
func (s *Server) later(closer func() error) { s.closers = append(s.closers, closer) }

// Close gives everything back. Run does it at its end.
func (s *Server) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// HTTPAddr is where the HTTP listener is, host:port.
func (s *Server) HTTPAddr() string { return s.doors.HTTPAddr() }

// GRPCAddr is where gRPC is spoken, host:port: the listener of its own, or the
// HTTP listener when that is off.
func (s *Server) GRPCAddr() string {
	if a := s.doors.GRPCAddr(); a != "" {
		return a
	}
	return s.doors.HTTPAddr()
}

// AccessAddr is where other services ask, host:port; "" when that is off.
func (s *Server) AccessAddr() string { return s.accessDoor.Addr() }

// DebugAddr is where metrics and probes are answered, host:port; "" when that is off.
func (s *Server) DebugAddr() string { return s.debug.Addr() }

// Dev is the development data; nil unless Options.Dev.
func (s *Server) Dev() *DevWorld { return s.dev }

// DB is the store, for those who start the server in their own process.
func (s *Server) DB() *store.DB { return s.db }

// DataFolder is where the server keeps everything.
func (s *Server) DataFolder() string { return s.cfg.Data }
