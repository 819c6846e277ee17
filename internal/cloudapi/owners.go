package cloudapi

import (
	"context"
	"fmt"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// OwnersAlone makes a change refuse that would take the owner's role of
// something from a subject, or hand it on, by another way than its binding: a
// membership that ends, a group's members. Who may do so is decided before the
// transaction; refuse says in it why the caller may not. organizationID "" is
// everywhere.
func OwnersAlone(ctx context.Context, db *store.DB, grants Grants, organizationID string, subject iam.SubjectID) (refuse func(tx *store.Tx) error, err error) {
	var owned []store.Ownership
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		owned, err = store.Owned(tx, organizationID, subject)
		return err
	})
	if err != nil {
		return nil, err
	}
	may := make(map[store.Ownership]bool, len(owned))
	for _, o := range owned {
		if may[o], err = mayGrant(ctx, grants, o.ResourceID, o.Role); err != nil {
			return nil, err
		}
	}
	return func(tx *store.Tx) error {
		now, err := store.Owned(tx, organizationID, subject)
		if err != nil {
			return err
		}
		for _, o := range now {
			if !may[o] {
				return notGranted(o.Role, ownedRef(o))
			}
		}
		return nil
	}, nil
}

func ownedRef(o store.Ownership) resource.Ref {
	if o.Role == iam.OrganizationOwner {
		return resource.Ref{Kind: resource.Organization, ID: o.ResourceID}
	}
	return resource.Ref{Kind: resource.Cloud, ID: o.ResourceID}
}

// RequireGrant refuses a caller who may not hand out a role on a resource.
func RequireGrant(ctx context.Context, grants Grants, on resource.Ref, role iam.RoleID) error {
	may, err := mayGrant(ctx, grants, on.ID, role)
	if err == nil && !may {
		err = notGranted(role, on)
	}
	return err
}

// mayGrant tells whether the caller may hand out a role; the change that
// follows rests on it.
func mayGrant(ctx context.Context, grants Grants, id string, role iam.RoleID) (bool, error) {
	call := gate.From(ctx)
	d, err := grants.MayGrant(ctx, call.Caller(), id, role)
	if err == nil && d.Allowed {
		call.RestsOn(d)
	}
	return d.Allowed, err
}

func notGranted(role iam.RoleID, on resource.Ref) error {
	done := "granted"
	if role.IsOwner() {
		done = "granted or revoked"
	}
	return &iam.Error{Kind: iam.PermissionDenied, Reason: "grant", Message: fmt.Sprintf(
		"Role %s can be %s only by who holds all of its permissions on %s %s", role, done, on.Kind, on.ID)}
}
