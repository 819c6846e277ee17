package server

import (
	"context"
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/cloudapi/registryapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/registry"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// registryArea is tokens for container registries.
var registryArea = area{
	rules: slices.Concat(registryapi.Rules, registry.PublicRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		registry.Register(r)
		propuskpb.RegisterRegistryServiceServer(r, &registryapi.Service{
			Registries: s.cfg.registries(), Decide: k.decider.Decide, Mint: s.registryKeys.Mint, Issuer: s.issuer,
			Nobody: &registryapi.Nobody{Now: s.now}, Record: func(c *gate.Call) error { return s.journal.Record(gate.EventOf(c, nil)) },
			Scoped: func(scopes []string, p iam.Permission) bool { return s.checker.Catalogue().ScopeAllows(scopes, p) },
		})
	},
	proofs: func(s *Server, _ kit) (map[string]bodyProof, error) {
		return map[string]bodyProof{propuskpb.RegistryService_IssueToken_FullMethodName: s.registryUsers().Prove}, nil
	},
}

// registryUsers proves who signs in to a registry. What IamTokenService.Create
// takes is proved as it proves it.
func (s *Server) registryUsers() *registryapi.Users {
	bearer := &credential.IAMToken{Verifier: s.revoked, Accounts: s.replica, Now: s.now}
	apiKey := s.proveAPIKey()
	return &registryapi.Users{
		IAMToken: func(ctx context.Context, text iam.Secret) (*credential.Identity, error) {
			return bearer.Prove(ctx, text.Reveal())
		},
		OAuthToken: func(ctx context.Context, text iam.Secret) (*credential.Identity, error) {
			return s.created(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: text.Reveal()}})
		},
		APIKey: func(ctx context.Context, text iam.Secret) (*credential.Identity, error) {
			return apiKey(ctx, accessservice.Claim{Kind: accessservice.APIKey, Text: text})
		},
		JWT: func(ctx context.Context, text iam.Secret) (*credential.Identity, error) {
			return s.created(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: text.Reveal()}})
		},
		AccountOf: s.accountOfKey, Audience: s.audiences()[0], Now: s.now,
	}
}

// registryDocuments is what registries read: it implements registry.Keys. Without
// registries there is nothing to read, and nobody can have keys made.
type registryDocuments struct{ s *Server }

func (d registryDocuments) JWKS(ctx context.Context) ([]byte, error) {
	if len(d.s.cfg.Registries) == 0 {
		return nil, errNoRegistries
	}
	return d.s.registryKeys.JWKS(ctx)
}

func (d registryDocuments) Certificates(ctx context.Context) ([]byte, error) {
	if len(d.s.cfg.Registries) == 0 {
		return nil, errNoRegistries
	}
	return d.s.registryKeys.Certificates(ctx)
}

var errNoRegistries = iam.Errorf(iam.Unimplemented,
	"This server makes tokens for no registry: its operator has to add one to the setting registries")

// buildRegistryKeys makes the rings of the keys of registry tokens, which read
// them when somebody asks for one.
func (s *Server) buildRegistryKeys() (err error) {
	s.registryKeys, err = mint.NewRegistryKeys(mint.RegistryKeysConfig{DB: s.db, Box: s.box, Now: s.now, RotateEvery: s.cfg.RotateEvery, Record: s.recordRotation})
	if err == nil {
		s.replica.OnApply(s.registryKeys.Notice)
	}
	return err
}

// listRegistryKeys tells an operator of the keys of registry tokens.
func (s *Server) listRegistryKeys(ctx context.Context) (out []SigningKeyInfo, err error) {
	signing, roots, err := s.registryKeys.List(ctx)
	for _, k := range signing {
		out = append(out, SigningKeyInfo{ID: k.ID, Signs: "registry tokens", SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil})
	}
	for _, k := range roots {
		out = append(out, SigningKeyInfo{ID: k.ID, Signs: "certificates of registry tokens", SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil})
	}
	return out, err
}
