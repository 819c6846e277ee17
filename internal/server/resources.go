package server

import (
	"context"
	"errors"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi/resourceapi"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// kinds implements resourceapi.Kinds with the types of the roles in force.
type kinds struct{ checker *access.Checker }

func (k kinds) Parents(kind resource.Kind) ([]resource.Kind, bool) {
	t, ok := k.checker.Catalogue().ResourceType(kind)
	return t.Parents, ok
}

// explain makes a decision with nothing left out, at one position of the feed.
func (d decider) explain(ctx context.Context, who iam.Subject, what iam.Permission, id string) (x *access.Explanation, err error) {
	_, _, err = d.replica.Consistent(ctx, func(v *replica.View) (err error) {
		if err := d.roles.fresh(ctx); err != nil {
			return err
		}
		x, err = d.checker.Explain(v, who, what, id, standsOn)
		return err
	})
	return x, err
}

// Paths of the operator's commands on roots.
const (
	PathRegisterRoot   = "/resource/register-root"
	PathUnregisterRoot = "/resource/unregister-root"
)

// RegisterRootRequest asks for a resource that stands below nothing.
type RegisterRootRequest struct {
	Type  string `json:"type"` // a type without parents, such as "iam.gizmo"
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner"` // id of a service account or a person, who becomes its admin
}

// RegisteredRoot is what was made or removed.
type RegisteredRoot struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// RegisterRoot registers a resource that has no place in the hierarchy and
// gives its owner the role admin on it. No call of the API does that: a root
// belongs to no organization that could allow it.
func (s *Server) RegisterRoot(ctx context.Context, r RegisterRootRequest) (*RegisteredRoot, error) {
	if err := s.roles.fresh(ctx); err != nil {
		return nil, err
	}
	kind := resource.Kind(r.Type)
	if err := resourceapi.Place(kinds{s.checker}, kind, resource.Ref{}); err != nil {
		return nil, err
	}
	if err := resourceapi.LegalID(r.ID); err != nil {
		return nil, err
	}
	if len(r.Name) > 63 {
		return nil, iam.InvalidField("name", "a name is at most 63 characters")
	}
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		owner, err := ownerOf(tx, r.Owner)
		if err != nil {
			return err
		}
		if err := plantRoot(tx, r, owner); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.CreateResource", resource.Ref{Kind: kind, ID: r.ID},
			audit.Text("resource_name", r.Name), audit.Text("owner_id", r.Owner))
	})
	if err != nil {
		return nil, err
	}
	return &RegisteredRoot{Type: r.Type, ID: r.ID}, nil
}

func plantRoot(tx *store.Tx, r RegisterRootRequest, owners ...iam.Subject) error {
	err := store.InsertRegistered(tx, &iam.RegisteredResource{ID: r.ID, Type: r.Type, Name: r.Name, CreatedAt: tx.Now()})
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if err := grantAll(tx, givenRole{r.ID, "admin", owner}); err != nil {
			return err
		}
	}
	return nil
}

// ownerOf finds the service account or the person that an id names.
func ownerOf(tx *store.Tx, id string) (iam.Subject, error) {
	if _, err := store.GetServiceAccount(tx, id); !errors.Is(err, iam.NotFound) {
		return accountSubject(id), err
	}
	_, err := store.GetUserAccount(tx, id)
	if errors.Is(err, iam.NotFound) {
		err = iam.InvalidField("owner", "there is no service account and no person %q", id)
	}
	return userSubject(id), err
}

// UnregisterRootRequest names a root that is to go.
type UnregisterRootRequest struct {
	ID string `json:"id"`
}

// UnregisterRoot removes a root with all below it. Its id is never used again.
func (s *Server) UnregisterRoot(ctx context.Context, r UnregisterRootRequest) (*RegisteredRoot, error) {
	out := &RegisteredRoot{ID: r.ID}
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		if err := store.LockResource(tx, r.ID); err != nil {
			return err
		}
		root, err := store.GetRegistered(tx, r.ID)
		if err != nil {
			return err
		}
		if root.ParentID != "" {
			return iam.Errorf(iam.FailedPrecondition, "Resource %s stands below %s and is no root; delete it over the API", r.ID, root.ParentID)
		}
		out.Type = root.Type
		if err := store.DeleteRegistered(tx, r.ID); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.DeleteResource", resource.Ref{Kind: resource.Kind(root.Type), ID: r.ID})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
