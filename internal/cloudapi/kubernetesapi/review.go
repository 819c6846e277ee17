// Package kubernetesapi serves propusk.v1.KubernetesService: whose a token is
// that the API server of a Kubernetes cluster was shown. Its rules stand on top,
// the proof of the asking API server in proof.go.
package kubernetesapi

import (
	"context"
	"errors"
	"slices"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// MayReview is the right to ask whose tokens are, held on an organization.
const MayReview iam.Permission = "propusk.tokenReviews.create"

// Door is the one door that may call: it says what the asker's header holds.
const Door = "kubernetes"

// Rules are the rows of KubernetesService.
var Rules = gate.Only(Door, gate.Rules("propusk.v1.KubernetesService",
	gate.Rule{Method: "ReviewToken", Proof: gate.Body,
		Why: "the handler requires " + string(MayReview) + " on the asker's own organization, and tells only of members of organizations where the asker has it"},
)...)

// Service is propusk.v1.KubernetesService.
type Service struct {
	propuskpb.UnimplementedKubernetesServiceServer
	// Prove proves the subject of an IAM token.
	Prove   func(ctx context.Context, iamToken string) (*credential.Identity, error)
	Members Members
	// Scoped tells whether a permission is in one of an API key's scopes.
	Scoped func(scopes []string, p iam.Permission) bool
	// Audiences are those that tokens are good for besides the API server itself.
	Audiences []string
}

// Members is what is read of subjects.
type Members interface {
	// Organizations are those that a subject belongs to.
	Organizations(ctx context.Context, who iam.SubjectID) ([]string, error)
	// Groups are those that a subject is a member of, in any organization.
	Groups(ctx context.Context, who iam.SubjectID) ([]iam.SubjectID, error)
	// Ancestors lists a resource, itself first, its organization last;
	// iam.NotFound when there is none.
	Ancestors(ctx context.Context, id string) ([]resource.Ref, error)
}

// What a subject counts as besides its groups.
const (
	accountsGroup = "propusk:serviceAccounts"
	peopleGroup   = "propusk:userAccounts"
)

// ReviewToken tells whose a token is. The right to ask comes first, so that who
// has none learns nothing of a token.
func (s *Service) ReviewToken(ctx context.Context, r *propuskpb.ReviewTokenRequest) (*propuskpb.ReviewTokenResponse, error) {
	call := gate.From(ctx)
	caller := call.Identity
	switch {
	case caller.Subject.Type != iam.TypeServiceAccount:
		return nil, refused("caller_type", "Only a service account may ask for token reviews")
	case caller.Scopes != nil && !s.Scoped(caller.Scopes, MayReview):
		return nil, refused("api_key_scope", "The API key "+caller.CredentialID+" has no scope for token reviews: "+string(MayReview)+" is one")
	}
	if err := gate.Require(ctx, MayReview, resource.Organization, caller.OrganizationID); err != nil {
		return nil, err
	}
	call.Service = &gate.Caller{Name: string(caller.Subject.ID), Identity: caller} // asks all the time, and is no news for the log
	audiences, meant := s.audiencesOf(r.GetAudiences())
	if !meant {
		return refusal("The token is good for none of the audiences asked for"), nil
	}
	id, err := s.Prove(ctx, r.GetToken())
	if iam.KindOf(err) == iam.Unauthenticated {
		return refusal(textOf(err)), nil
	}
	if err != nil {
		return nil, err
	}
	homes, err := s.homes(ctx, id, caller.OrganizationID)
	if err != nil {
		return nil, err
	}
	if len(homes) == 0 {
		return refusal("The token is of nobody in an organization that this cluster may ask about"), nil
	}
	groups, err := s.groups(ctx, id.Subject, homes)
	if err != nil {
		return nil, err
	}
	return &propuskpb.ReviewTokenResponse{Authenticated: true, SubjectId: string(id.Subject.ID), TokenId: id.TokenID,
		OrganizationIds: homes, Groups: groups, Audiences: audiences}, nil
}

// audiencesOf is what to say of the audiences asked for. Without settings of
// ours nothing is said, which Kubernetes takes for its API server alone.
func (s *Service) audiencesOf(asked []string) (known []string, meant bool) {
	if len(s.Audiences) == 0 || len(asked) == 0 {
		return nil, true
	}
	for _, a := range asked {
		if slices.Contains(s.Audiences, a) && !slices.Contains(known, a) {
			known = append(known, a)
		}
	}
	return known, len(known) > 0
}

// homes are the organizations that a subject belongs to and the caller may ask
// about; the caller's own it may.
func (s *Service) homes(ctx context.Context, id *credential.Identity, own string) (homes []string, err error) {
	belongs := []string{id.OrganizationID}
	if id.Subject.Type != iam.TypeServiceAccount { // a person's token names one at most, and perhaps one left since
		if belongs, err = s.Members.Organizations(ctx, id.Subject.ID); err != nil {
			return nil, err
		}
	}
	for _, o := range belongs {
		may := o == own
		if !may && o != "" {
			may, err = gate.Allows(ctx, MayReview, o)
			if err != nil && !errors.Is(err, iam.NotFound) { // gone at this moment
				return nil, err
			}
		}
		if may {
			homes = append(homes, o)
		}
	}
	slices.Sort(homes)
	return homes, nil
}

// groups is everything by which a cluster may bind the subject: its groups in the
// organizations that are told of, everybody there, and its kind. Groups of other
// organizations are not the asker's to know.
func (s *Service) groups(ctx context.Context, who iam.Subject, homes []string) (out []string, err error) {
	mine, err := s.Members.Groups(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	for _, g := range mine {
		path, err := s.Members.Ancestors(ctx, string(g))
		if errors.Is(err, iam.NotFound) { // deleted at this moment
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(homes, path[len(path)-1].ID) {
			out = append(out, string(g))
		}
	}
	slices.Sort(out)
	for _, o := range homes {
		out = append(out, string(iam.OrganizationUsers(o)))
	}
	if who.Type == iam.TypeServiceAccount {
		return append(out, accountsGroup), nil
	}
	return append(out, peopleGroup), nil
}

func refused(reason, text string) error {
	return &iam.Error{Kind: iam.PermissionDenied, Reason: reason, Message: text}
}

// refusal is the answer that a token is not good.
func refusal(why string) *propuskpb.ReviewTokenResponse {
	return &propuskpb.ReviewTokenResponse{Error: why}
}

// textOf is what a refusal tells those who ask; it never holds a credential.
func textOf(err error) string {
	if e, ok := errors.AsType[*iam.Error](err); ok {
		return e.Message
	}
	return "The token is invalid"
}
