package resourceapi

import (
	"context"
	"errors"

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
	// Knows tells whether a subject belongs to an organization or is bound in it.
	Knows func(ctx context.Context, who iam.Subject, organizationID string) (bool, error)
}

// Explain repeats a decision and says what it rests on. It shows who is bound
// on the whole path, so the right to it is asked at the top.
func (s *ExplainService) Explain(ctx context.Context, r *propuskpb.ExplainRequest) (*propuskpb.Explanation, error) {
	var root resource.Ref
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		path, err := store.Ancestors(tx, r.GetResourceId())
		if err == nil {
			root = path[len(path)-1]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = gate.Require(ctx, mayExplain, root.Kind, root.ID)
	if errors.Is(err, iam.NotFound) {
		// The same as for a resource that there is not: the caller named that one.
		return nil, &iam.Error{Kind: iam.NotFound, Message: "Resource " + r.GetResourceId() + " not found", Reason: gate.ReasonHidden}
	}
	if err != nil {
		return nil, err
	}
	who, err := s.subject(ctx, r.GetSubjectId(), root.ID)
	if err != nil {
		return nil, err
	}
	x, err := s.Explanation(ctx, who.Subject, iam.Permission(r.GetPermission()), r.GetResourceId())
	if errors.Is(err, iam.InvalidArgument) { // what is asked about the rest has been found
		return nil, iam.InvalidField("permission", "Permission %s does not exist", r.GetPermission())
	}
	if err != nil {
		return nil, err
	}
	if x.Holders, err = s.shown(ctx, x); err != nil {
		return nil, err
	}
	out := explanationProto(x)
	if who.suspended {
		out.Verdict += " The account is suspended, though: until it is reactivated no credential of it is accepted."
	}
	return out, nil
}

// shown leaves out the groups that the subject is in elsewhere: they decide
// nothing here, and are not the asker's to know.
func (s *ExplainService) shown(ctx context.Context, x *access.Explanation) (out []access.Holder, err error) {
	root := x.Path[len(x.Path)-1].ID
	counts := map[iam.SubjectID]bool{iam.AllUsers: true, iam.AllAuthenticatedUsers: true, iam.OrganizationUsers(root): true}
	for _, b := range x.Bindings {
		counts[b.Holder] = true
	}
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		out = nil
		for _, h := range x.Holders {
			ours := h.Kind == access.HolderSelf || counts[h.ID]
			if h.Kind == access.HolderGroup && !ours {
				organizationID, err := store.OrganizationOf(tx, string(h.ID))
				if err != nil && !errors.Is(err, iam.NotFound) {
					return err
				}
				ours = organizationID == root
			}
			if ours {
				out = append(out, h)
			}
		}
		return nil
	})
	return out, err
}
