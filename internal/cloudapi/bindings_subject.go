package cloudapi

import "github.com/propusk/propusk/internal/iam"

// subjectExists refuses a binding for nobody. Accounts and people may be of any
// organization, groups and system groups only of the resource's own.
func subjectExists(organizationID string, s iam.Subject, known map[iam.Subject]bool) error {
	thing := ""
	switch s.Type {
	case iam.TypeServiceAccount:
		thing = "Service account"
	case iam.TypeUserAccount:
		thing = "User account"
	case iam.TypeFederatedUser:
		thing = "Federated user"
	case iam.TypeGroup:
		thing = "Group"
	case iam.TypeSystem:
		if s.ID == iam.AllUsers || s.ID == iam.AllAuthenticatedUsers || s.ID == iam.OrganizationUsers(organizationID) {
			return nil
		}
		thing = "Subject"
	default:
		return iam.InvalidField("subject.type", "%q is not a type of subject", s.Type)
	}
	if !known[s] {
		return iam.Errorf(iam.NotFound, "%s %s not found", thing, s.ID)
	}
	return nil
}
