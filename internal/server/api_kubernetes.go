package server

import (
	"context"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/cloudapi/kubernetesapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// kubernetesArea is what API servers of Kubernetes clusters ask.
var kubernetesArea = area{
	rules: kubernetesapi.Rules,
	register: func(s *Server, _ kit, r *gate.Registrar) {
		bearer := &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}
		propuskpb.RegisterKubernetesServiceServer(r, &kubernetesapi.Service{
			Prove: bearer.Prove, Members: s.replica, Audiences: s.cfg.KubernetesAudiences,
			Scoped: func(scopes []string, p iam.Permission) bool { return s.checker.Catalogue().ScopeAllows(scopes, p) }})
	},
	proofs: func(s *Server, _ kit) (map[string]bodyProof, error) {
		bearer := &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}
		apiKey := s.proveAPIKey()
		return map[string]bodyProof{propuskpb.KubernetesService_ReviewToken_FullMethodName: kubernetesapi.Proof{
			Header: proveHeader(bearer),
			APIKey: func(ctx context.Context, key string) (*credential.Identity, error) {
				return apiKey(ctx, accessservice.Claim{Kind: accessservice.APIKey, Text: iam.NewSecret(key)})
			},
		}.Prove}, nil
	},
}
