package server

import (
	"context"

	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/upstream"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// upstreamArea is people who sign in by an account elsewhere.
var upstreamArea = area{
	rules: signinapi.UpstreamRules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterUpstreamServiceServer(r, &signinapi.UpstreamService{
			SignIn:   &signinapi.SignInService{Changes: k.changes, Passwords: s.passwords, Life: s.cfg.SessionLife, Idle: s.cfg.SessionIdle},
			Journeys: s.journeys(), Passwords: s.passwords, Now: s.now})
	},
	proofs: func(s *Server, k kit) (map[string]bodyProof, error) {
		p := &signinapi.UpstreamProofs{Journeys: s.journeys(), Quotas: k.quotas, Proofs: &signinapi.Proofs{
			DB: s.db, Passwords: s.passwords, Position: s.replica.Position, Session: s.sessionProver(),
			Seen: func(id, user string) { s.used.note(usedSession, id, user, s.now()) },
		}}
		return p.All(), nil
	},
}

// buildUpstream reads the secrets of the providers of the config. It asks no
// provider anything: one that is away keeps nobody from starting.
func (s *Server) buildUpstream(context.Context) error {
	all, err := s.cfg.readProviders()
	if err != nil {
		return err
	}
	s.upstream = upstream.New(upstream.Config{Providers: all, Now: s.now})
	return nil
}

func (s *Server) journeys() *signinapi.Journeys {
	return &signinapi.Journeys{DB: s.db, Providers: s.upstream, Addresses: s.passwords.Addresses, Issuer: s.issuer}
}
