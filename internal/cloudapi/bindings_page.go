package cloudapi

import (
	"crypto/sha256"
	"strings"

	"github.com/propusk/propusk/internal/iam"
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

func (b Bindings) bindingAt(place string) (iam.AccessBinding, error) {
	if place == "" {
		return iam.AccessBinding{}, nil
	}
	subject, mark, _ := strings.Cut(place, "\x00")
	for _, role := range b.Grants.RoleIDs() {
		if roleMark(role) == mark {
			return iam.AccessBinding{Role: role, Subject: iam.Subject{ID: iam.SubjectID(subject)}}, nil
		}
	}
	return iam.AccessBinding{}, badPageToken()
}
