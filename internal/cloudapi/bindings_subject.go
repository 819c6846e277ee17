package cloudapi

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// subjectExists refuses a binding for nobody.
func subjectExists(tx *store.Tx, resourceID string, s iam.Subject) error {
	var err error
	switch s.Type {
	case iam.TypeServiceAccount:
		_, err = store.GetServiceAccount(tx, string(s.ID))
	case iam.TypeUserAccount:
		_, err = store.GetUserAccount(tx, string(s.ID))
	case iam.TypeFederatedUser:
		return iam.Errorf(iam.NotFound, "Federated user %s not found", s.ID)
	case iam.TypeGroup:
		_, err = store.GetGroup(tx, string(s.ID))
	case iam.TypeSystem:
		if s.ID == iam.AllUsers || s.ID == iam.AllAuthenticatedUsers {
			return nil
		}
		root, err := store.OrganizationOf(tx, resourceID)
		if err != nil {
			return err
		}
		if s.ID != iam.OrganizationUsers(root) {
			return iam.Errorf(iam.NotFound, "Subject %s not found", s.ID)
		}
		return nil
	default:
		return iam.InvalidField("subject.type", "%q is not a type of subject", s.Type)
	}
	return err
}
