package cloudapi

import "github.com/propusk/propusk/internal/iam"

// subjectExists refuses a binding for nobody: known are those that
// store.KnownSubjects finds.
func subjectExists(s iam.Subject, known map[iam.Subject]bool) error {
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
		if s.ID == iam.AllUsers || s.ID == iam.AllAuthenticatedUsers {
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
