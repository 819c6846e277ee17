package server

import (
	"context"
	"slices"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// buildAccess loads the roles.
func (s *Server) buildAccess(ctx context.Context) (err error) {
	if s.roles, err = openRolebook(ctx, s.db, s.cfg.Roles, s.opts.Quiet, s.log); err != nil {
		return err
	}
	s.checker = s.roles.checker
	s.replica.OnApply(s.roles.notice)
	s.roles.notice(nil) // what was told between the two is read with the first decision
	return nil
}

// decider answers the gate's questions from the replica: it implements
// gate.Decider and cloudapi.Grants.
type decider struct {
	checker *access.Checker
	roles   *rolebook
	replica *replica.Replica
	db      *store.DB
}

// Decide checks one permission at one position of the feed.
func (d decider) Decide(ctx context.Context, who iam.Subject, what iam.Permission, id string) (gate.Decision, error) {
	var found access.Decision
	at, read, err := d.replica.Consistent(ctx, func(v *replica.View) (err error) {
		if err := d.roles.fresh(ctx); err != nil {
			return err
		}
		v.About(who.ID)
		found, err = d.checker.Check(v, who, what, id)
		return err
	})
	read = append(read, definitionsMoved)
	return gate.Decision{
		Allowed: found.Allowed, Path: found.Path, Position: at, Read: read,
		DeniedBy: found.DeniedBy.Template, DeniedOn: found.DeniedBy.Resource,
	}, err
}

// Forbids asks the access policies alone, at one position of the feed.
func (d decider) Forbids(ctx context.Context, what iam.Permission, id string) (gate.Decision, error) {
	var found access.Decision
	at, read, err := d.replica.Consistent(ctx, func(v *replica.View) (err error) {
		if err := d.roles.fresh(ctx); err != nil {
			return err
		}
		found, err = d.checker.Forbids(v, what, id)
		return err
	})
	return gate.Decision{
		Allowed: found.Allowed, Path: found.Path, Position: at, Read: append(read, definitionsMoved),
		DeniedBy: found.DeniedBy.Template, DeniedOn: found.DeniedBy.Resource,
	}, err
}

// definitionsMoved is what every decision rests on: what the roles hold.
var definitionsMoved = store.Change{Kind: store.ChangeDefinitions}

// Knows tells whether a subject belongs to an organization or is bound to
// anything in it.
func (d decider) Knows(ctx context.Context, who iam.Subject, organizationID string) (bool, error) {
	if who.Type == iam.TypeServiceAccount {
		path, err := d.replica.Ancestors(ctx, string(who.ID))
		if err == nil && len(path) > 0 && path[len(path)-1].ID == organizationID {
			return true, nil
		}
	}
	mine, err := d.replica.Organizations(ctx, who.ID)
	if err != nil {
		return false, err
	}
	for _, o := range mine {
		if o == organizationID {
			return true, nil
		}
	}
	holders, err := d.holders(ctx, who)
	if err != nil {
		return false, err
	}
	bound := false
	err = d.db.View(ctx, func(tx *store.Tx) (err error) {
		bound, err = store.HasBindingIn(tx, organizationID, personal(holders))
		return err
	})
	return bound, err
}

// personal leaves out the groups that everybody is in: a public binding makes
// nobody a guest of the organization.
func personal(holders []iam.SubjectID) []iam.SubjectID {
	var out []iam.SubjectID
	for _, h := range holders {
		if h != iam.AllUsers && h != iam.AllAuthenticatedUsers {
			out = append(out, h)
		}
	}
	return out
}

// holders is everyone that a subject counts as.
func (d decider) holders(ctx context.Context, who iam.Subject) (out []iam.SubjectID, err error) {
	_, _, err = d.replica.Consistent(ctx, func(v *replica.View) (err error) {
		out, err = access.Holders(nil, v, who)
		return err
	})
	return out, err
}

// RoleIDs lists every role.
func (d decider) RoleIDs() []iam.RoleID {
	var out []iam.RoleID
	for _, r := range d.checker.Catalogue().Roles() {
		out = append(out, r.ID)
	}
	return out
}

// boundTo are the roles that stand on one kind of resource only.
var boundTo = map[iam.RoleID]resource.Kind{
	"resource-manager.clouds.owner":            resource.Cloud,
	"resource-manager.clouds.member":           resource.Cloud,
	"organization-manager.organizations.owner": resource.Organization,
}

// Bindable says why a role cannot be bound on a resource of an organization.
// Another organization's own role is one that does not exist.
func (d decider) Bindable(role iam.RoleID, on resource.Ref, organizationID string) error {
	r, err := d.checker.Catalogue().Role(role)
	if err != nil {
		return err
	}
	if r.Organization != "" && r.Organization != organizationID {
		return access.UnknownRole(role)
	}
	return standsOn(role, on.Kind)
}

// standsOn says why a role cannot stand on a kind of resource.
func standsOn(role iam.RoleID, kind resource.Kind) error {
	if only, ok := boundTo[role]; ok && only != kind {
		return iam.InvalidField("role_id", "role %s can be bound on a %s only", role, only)
	}
	return nil
}

// MayGrant decides whether a subject holds every permission of a role on a
// resource; an owner's role is handed out by its holders alone.
func (d decider) MayGrant(ctx context.Context, who iam.Subject, id string, role iam.RoleID) (gate.Decision, error) {
	may := false
	at, read, err := d.replica.Consistent(ctx, func(v *replica.View) error {
		if err := d.roles.fresh(ctx); err != nil {
			return err
		}
		catalogue := d.checker.Catalogue()
		v.About(who.ID)
		path, err := v.Ancestors(id)
		if err != nil {
			return err
		}
		holders, err := access.Holders(nil, v, who)
		if err != nil {
			return err
		}
		var held []iam.RoleID
		err = v.Bound(path, holders, func(_, _ int, roles []iam.RoleID) bool {
			for _, r := range roles {
				if catalogue.CountsOn(r, path) {
					held = append(held, r)
				}
			}
			return true
		})
		may = err == nil && covers(catalogue, held, role)
		return err
	})
	return gate.Decision{Allowed: err == nil && may, Position: at, Read: append(read, definitionsMoved)}, err
}

func covers(c *access.Catalogue, held []iam.RoleID, role iam.RoleID) bool {
	if role == iam.OrganizationOwner || role == iam.CloudOwner {
		return slices.Contains(held, role) || slices.Contains(held, iam.OrganizationOwner)
	}
	return c.CoversAll(held, role)
}
