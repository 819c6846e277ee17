package credential

import (
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// DependsOnIn is what ends that which this identity makes in the name of an
// account of an organization: DependsOn, and a person's membership there. The
// identity itself does not depend on that when the person is in several
// organizations, and may have been made before he joined this one. The result is
// the caller's own.
func (id *Identity) DependsOnIn(organizationID string) []token.Dependency {
	all := slices.Clone(id.DependsOn)
	if m, ok := membership(organizationID, id.Subject); ok && !slices.Contains(all, m) {
		all = append(all, m)
	}
	return all
}

// membership is the dependency on a person's belonging to an organization. False
// for those who have none, and where ids are too long for one.
func membership(organizationID string, s iam.Subject) (token.Dependency, bool) {
	if s.Type == iam.TypeServiceAccount || organizationID == "" {
		return token.Dependency{}, false
	}
	m := iam.MembershipID(organizationID, s.ID)
	return token.Dependency{Kind: token.KindOrganization, ID: m}, len(m) <= token.MaxID
}
