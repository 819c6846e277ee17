package server

import (
	"context"
	"slices"
	"sync"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
	servicecontrolpb "github.com/propusk/propusk/proto/yandex/cloud/priv/servicecontrol/v1"
)

// accessArea is what other services ask.
var accessArea = area{
	rules: slices.Concat(accessservice.Rules, accessservice.S3Rules),
	register: func(s *Server, _ kit, r *gate.Registrar) {
		bearer := &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}
		answers := &accessservice.Service{
			Proofs: map[accessservice.Kind]accessservice.Proof{
				accessservice.APIKey:    s.proveAPIKey(),
				accessservice.AccessKey: s.proveSignature(),
				accessservice.IAMCookie: s.proveCookie(), accessservice.RefreshToken: s.proveRefreshToken(),
				accessservice.IAMToken: func(ctx context.Context, c accessservice.Claim) (*credential.Identity, error) {
					return bearer.Prove(ctx, c.Text.Reveal())
				},
			},
			Accounts: s.replica, Checker: s.checker, Now: s.now, Consistent: s.consistent,
			Scoped: func(scopes []string, p iam.Permission) bool { return s.checker.Catalogue().ScopeAllows(scopes, p) },
			Permission: func(ctx context.Context, p iam.Permission) (bool, error) {
				err := s.roles.fresh(ctx)
				return s.checker.Catalogue().Has(p), err
			},
			Type: func(k resource.Kind) (access.ResourceType, bool) {
				return s.checker.Catalogue().ResourceType(k)
			},
		}
		servicecontrolpb.RegisterAccessServiceServer(r, accessservice.ServiceControl{Service: answers})
		accesspb.RegisterAccessServiceServer(r, accessservice.AccessService{Service: answers})
		propuskpb.RegisterS3AuthServiceServer(r, &accessservice.S3Auth{Service: answers})
	},
}

// proveAPIKey proves API keys that other services were shown, and notes their use.
func (s *Server) proveAPIKey() accessservice.Proof {
	prover := &credential.APIKey{Reads: s.replica, Now: s.now}
	return func(ctx context.Context, c accessservice.Claim) (*credential.Identity, error) {
		id, err := prover.Prove(ctx, c.Text.Reveal())
		if err == nil {
			s.used.note(usedAPIKey, id.CredentialID, string(id.Subject.ID), s.now())
		}
		return id, err
	}
}

// keySpace is kept between calls: what a decision has read, which nothing here
// looks at.
var keySpace = sync.Pool{New: func() any { return new([]store.Change) }}

// consistent lends reads of one moment, to be weighed with the roles of that
// moment or later ones.
func (s *Server) consistent(ctx context.Context, fn func(access.Reads) error) error {
	keys := keySpace.Get().(*[]store.Change)
	_, used, err := s.replica.ConsistentInto(ctx, (*keys)[:0], func(v *replica.View) error {
		if err := s.roles.fresh(ctx); err != nil {
			return err
		}
		return fn(v)
	})
	if cap(used) > 0 && cap(used) <= 1<<10 {
		clear(used[:cap(used)])
		*keys = used
	}
	keySpace.Put(keys)
	return err
}
