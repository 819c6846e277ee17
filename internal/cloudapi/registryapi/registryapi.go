// Package registryapi makes tokens for container registries: it proves who asks
// by what docker's clients send as user and password, decides what he may do in
// a registry, and has the token made. What a registry stores is its own.
package registryapi

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Rules are the rows of RegistryService. Its method is the registry door's alone:
// only there a credential may come as a password, and only there it is answered
// with words that people read who have typed one.
var Rules = gate.Only("registry", gate.Rules("propusk.v1.RegistryService",
	gate.Rule{Method: "IssueToken", Proof: gate.Body, Effect: gate.Issues, Event: "propusk.registry.IssueToken",
		Why: "each scope has a permission of its own, asked on the registry that it names"},
)...)

// Registry is a container registry that takes this server's tokens.
type Registry struct {
	// Resource is the id of the registry in the tree that all of its repositories
	// belong to; "" when the first part of each repository's name is that id.
	Resource string
	// KeySet says that it knows signing keys and no certificates.
	KeySet bool
}

// Service is propusk.v1.RegistryService.
type Service struct {
	propuskpb.UnimplementedRegistryServiceServer
	Registries map[string]Registry // by the names that they have for themselves
	// Decide answers one question of access; iam.NotFound for no live resource.
	Decide func(ctx context.Context, who iam.Subject, what iam.Permission, resourceID string) (gate.Decision, error)
	// Scoped tells whether one of the scopes of an API key lists a permission.
	Scoped func(scopes []string, what iam.Permission) bool
	Mint   func(ctx context.Context, r mint.RegistryRequest) (*mint.IDToken, error)
	Nobody *Nobody
	// Record returns when the audit line of a call is durable.
	Record func(call *gate.Call) error
	// Issuer is the address that tokens name as theirs.
	Issuer func() (string, error)
}

// Reasons by which the door words refusals.
const (
	ReasonNotSignedIn = "registry_not_signed_in"
	ReasonService     = "registry_service"
)

// IssueToken makes a token. It lives for five minutes, and no longer than what
// proves the caller.
func (s *Service) IssueToken(ctx context.Context, r *propuskpb.IssueRegistryTokenRequest) (*propuskpb.IssueRegistryTokenResponse, error) {
	call := gate.From(ctx)
	call.NoteDetail(audit.Text("registry", r.GetService()))
	registry, known := s.Registries[r.GetService()]
	if !known { // a token for whoever has a name that nobody has told us would be one for anybody
		return nil, &iam.Error{Kind: iam.InvalidArgument, Reason: ReasonService,
			Message: "This server makes no tokens for a registry of the name that the registry has for itself (its setting auth.token.service): the server's operator has to add it to the setting registries"}
	}
	asked := asks(r.GetScopes())
	if len(asked) > 0 {
		call.NoteDetail(audit.Texts("asked", texts(asked)...))
	}
	if c := r.GetClientId(); c != "" {
		call.NoteDetail(audit.Text("client_id", c))
	}
	granted, missing, err := s.grant(ctx, registry, asked)
	if err != nil {
		return nil, err
	}
	switch {
	case len(granted) > 0:
	case call.Identity == nil:
		return nil, notSignedIn(len(asked) > 0)
	case len(asked) > 0:
		return nil, denied(call.Identity.Subject, missing)
	}
	issuer, err := s.Issuer()
	if err != nil {
		return nil, err
	}
	request := mint.RegistryRequest{Issuer: issuer, Audience: r.GetService(), Access: granted, KeySet: registry.KeySet}
	if id := call.Identity; id != nil {
		request.Subject, request.NotAfter = string(id.Subject.ID), id.NotAfter
	}
	if call.Identity == nil {
		return s.public(ctx, request)
	}
	t, err := s.made(ctx, request)
	if err != nil {
		return nil, err
	}
	return answer(t, t.IssuedAt), nil
}

// made makes a token and tells the audit line of it.
func (s *Service) made(ctx context.Context, r mint.RegistryRequest) (*mint.IDToken, error) {
	t, err := s.Mint(ctx, r)
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.NoteDetail(audit.Texts("granted", texts(r.Access)...))
	call.NoteDetail(audit.Text("jti", t.ID))
	call.NoteDetail(audit.Text("signing_key_id", t.KeyID))
	call.NoteDetail(audit.Time("expires_at", t.ExpiresAt))
	return t, nil
}

// public answers who has not said who he is. The audit log has one line for each
// token, before anybody is given it, and none for those who are given it again.
func (s *Service) public(ctx context.Context, r mint.RegistryRequest) (*propuskpb.IssueRegistryTokenResponse, error) {
	call := gate.From(ctx)
	t, err := s.Nobody.token(ctx, r, call.Request.RemoteAddr, func() (*mint.IDToken, error) {
		t, err := s.made(ctx, r)
		if err != nil {
			return nil, err
		}
		return t, s.Record(call)
	})
	if err != nil {
		return nil, err
	}
	call.Told()
	return answer(t, s.Nobody.Now()), nil // what is left of it counts from now
}

func answer(t *mint.IDToken, given time.Time) *propuskpb.IssueRegistryTokenResponse {
	return &propuskpb.IssueRegistryTokenResponse{Token: t.Text.Reveal(),
		IssuedAt: timestamppb.New(given), ExpiresAt: timestamppb.New(t.ExpiresAt.Truncate(time.Second))}
}

// asks is what a request asks for, each thing once.
func asks(scopes []*propuskpb.RegistryScope) (out []mint.RegistryAccess) {
	for _, s := range scopes {
		at := slices.IndexFunc(out, func(a mint.RegistryAccess) bool {
			return a.Type == s.GetType() && a.Class == s.GetClass() && a.Name == s.GetName()
		})
		if at < 0 {
			at = len(out)
			out = append(out, mint.RegistryAccess{Type: s.GetType(), Class: s.GetClass(), Name: s.GetName()})
		}
		for _, action := range s.GetActions() {
			if !slices.Contains(out[at].Actions, action) {
				out[at].Actions = append(out[at].Actions, action)
			}
		}
	}
	return out
}

// texts writes accesses as scopes are written.
func texts(all []mint.RegistryAccess) []string {
	out := make([]string, len(all))
	for i, a := range all {
		kind := a.Type
		if a.Class != "" {
			kind += "(" + a.Class + ")"
		}
		out[i] = kind + ":" + a.Name + ":" + strings.Join(a.Actions, ",")
	}
	return out
}
