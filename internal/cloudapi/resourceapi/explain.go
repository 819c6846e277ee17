package resourceapi

import (
	"context"
	"errors"
	"fmt"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const mayExplain iam.Permission = "propusk.access.explain"

// ExplainRules are the rows of ExplainService.
var ExplainRules = gate.Rules("propusk.v1.ExplainService",
	gate.Rule{Method: "Explain", Why: "the handler requires " + string(mayExplain) + " on the organization of the resource"},
)

// ExplainService is propusk.v1.ExplainService.
type ExplainService struct {
	propuskpb.UnimplementedExplainServiceServer
	DB *store.DB
	// Explanation makes the decision with nothing left out.
	Explanation func(ctx context.Context, who iam.Subject, what iam.Permission, resourceID string) (*access.Explanation, error)
}

// Explain repeats a decision and says what it rests on. It shows who is bound
// on the whole path, so the right to it is asked at the top.
func (s *ExplainService) Explain(ctx context.Context, r *propuskpb.ExplainRequest) (*propuskpb.Explanation, error) {
	var who iam.Subject
	var path []resource.Ref
	var unknown error
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if path, err = store.Ancestors(tx, r.GetResourceId()); err != nil {
			return err
		}
		who, unknown = subjectOf(tx, r.GetSubjectId())
		if !errors.Is(unknown, iam.NotFound) {
			return unknown
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	root := path[len(path)-1]
	err = gate.Require(ctx, mayExplain, root.Kind, root.ID)
	if errors.Is(err, iam.NotFound) {
		// The same as for a resource that there is not: the caller named that one.
		return nil, &iam.Error{Kind: iam.NotFound, Message: "Resource " + r.GetResourceId() + " not found", Reason: gate.ReasonHidden}
	}
	if err != nil {
		return nil, err
	}
	if unknown != nil {
		return nil, unknown
	}
	x, err := s.Explanation(ctx, who, iam.Permission(r.GetPermission()), r.GetResourceId())
	if err != nil {
		return nil, err
	}
	return explanationProto(x), nil
}

// subjectOf finds out what kind of subject an id names.
func subjectOf(tx *store.Tx, id string) (iam.Subject, error) {
	_, err := store.GetServiceAccount(tx, id)
	if err == nil {
		return iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}, nil
	}
	if !errors.Is(err, iam.NotFound) {
		return iam.Subject{}, err
	}
	_, err = store.GetUserAccount(tx, id)
	if errors.Is(err, iam.NotFound) {
		err = iam.Errorf(iam.NotFound, "Subject %s not found", id)
	}
	return iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}, err
}

func explanationProto(x *access.Explanation) *propuskpb.Explanation {
	out := &propuskpb.Explanation{
		Allowed: x.Decision.Allowed, Verdict: verdict(x), Permission: string(x.Permission),
		Subject: &accesspb.Subject{Id: string(x.Subject.ID), Type: string(x.Subject.Type)},
		Path:    refsProto(x.Path),
	}
	for _, h := range x.Holders {
		out.Holders = append(out.Holders, &propuskpb.Holder{Id: string(h.ID), Kind: string(h.Kind)})
	}
	for _, b := range x.Bindings {
		out.Bindings = append(out.Bindings, &propuskpb.WeighedBinding{
			Binding: grantProto(b.Grant), Grants: b.Grants, Through: texts(b.Through), Why: b.Why})
	}
	for _, p := range x.Policies {
		out.Policies = append(out.Policies, &propuskpb.WeighedPolicy{
			Resource: refProto(p.Resource), AccessPolicyTemplateId: p.Template, Denies: p.Denies})
	}
	for _, g := range x.Sufficient {
		out.Sufficient = append(out.Sufficient, grantProto(g))
	}
	for _, r := range x.Roles {
		out.Roles = append(out.Roles, &propuskpb.FittingRole{
			RoleId: string(r.Role), Permissions: int64(r.Permissions), On: refsProto(r.On)})
	}
	if x.Smallest != nil {
		out.WouldAllow = grantProto(*x.Smallest)
	}
	return out
}

// verdict says in a sentence what the decision rests on.
func verdict(x *access.Explanation) string {
	switch {
	case x.Decision.Allowed:
		by := x.Decision.By
		return fmt.Sprintf("Allowed: %s holds role %s on %s, which has %s.", by.Holder, by.Role, by.Resource, x.Permission)
	case len(x.Sufficient) > 0:
		for _, p := range x.Policies {
			if p.Denies {
				return fmt.Sprintf("Denied by access policy %s on %s, although a role grants %s.", p.Template, p.Resource, x.Permission)
			}
		}
	case len(x.Bindings) == 0:
		return fmt.Sprintf("Denied: nothing is bound to %s, or to a group that it is in, on %s or above.", x.Subject.ID, x.Path[0])
	}
	return fmt.Sprintf("Denied: none of the %d bindings that count for %s grants %s.", len(x.Bindings), x.Subject.ID, x.Permission)
}

func grantProto(g access.Grant) *propuskpb.Binding {
	return &propuskpb.Binding{Resource: refProto(g.Resource), RoleId: string(g.Role), SubjectId: string(g.Holder)}
}

func refsProto(refs []resource.Ref) (out []*propuskpb.PathResource) {
	for _, r := range refs {
		out = append(out, refProto(r))
	}
	return out
}

func refProto(r resource.Ref) *propuskpb.PathResource {
	return &propuskpb.PathResource{Type: string(r.Kind), Id: r.ID}
}

func texts(ids []iam.RoleID) (out []string) {
	for _, id := range ids {
		out = append(out, string(id))
	}
	return out
}
