package cloudapi

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// bindingPlace is a binding's place in its list, short enough for a page token
// of 100 characters: the subject, and a hash of the role instead of its name.
func bindingPlace(b iam.AccessBinding) string {
	return string(b.Subject.ID) + "\x00" + roleMark(b.Role)
}

func roleMark(r iam.RoleID) string {
	sum := sha256.Sum256([]byte(r))
	return string(sum[:4])
}

// bindingAt finds the binding that a place stands for. Its role may have left
// the catalogue while it stays bound; when the binding is gone as well, the
// page begins again with the subject rather than leaving anything out.
func (b Bindings) bindingAt(ctx context.Context, resourceID, place string) (iam.AccessBinding, error) {
	if place == "" {
		return iam.AccessBinding{}, nil
	}
	subject, mark, _ := strings.Cut(place, "\x00")
	after := iam.AccessBinding{Subject: iam.Subject{ID: iam.SubjectID(subject)}}
	if after.Role = marked(b.Grants.RoleIDs(), mark); after.Role != "" {
		return after, nil
	}
	err := b.BindingsDB.View(ctx, func(tx *store.Tx) error {
		bound, err := store.RolesOf(tx, resourceID, after.Subject.ID)
		after.Role = marked(bound, mark)
		return err
	})
	return after, err
}

func marked(roles []iam.RoleID, mark string) iam.RoleID {
	for _, role := range roles {
		if roleMark(role) == mark {
			return role
		}
	}
	return ""
}
