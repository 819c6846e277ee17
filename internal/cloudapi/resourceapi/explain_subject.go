package resourceapi

import (
	"context"
	"errors"
	"slices"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// anonymous is what a request names who has not said who he is.
const anonymous = "anonymous"

// found is a subject by its id, and the organizations that it belongs to.
type found struct {
	iam.Subject
	organizations []string
	suspended     bool
}

// subject finds who an id names. One that has nothing to do with the resource's
// organization, nor with one that the caller knows, is not found: whoever may
// ask here need not learn who there is elsewhere.
func (s *ExplainService) subject(ctx context.Context, id, organizationID string) (f found, err error) {
	if id == anonymous {
		return found{Subject: iam.Subject{Type: iam.TypeAnonymous}}, nil
	}
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		f, err = findSubject(tx, id)
		return err
	})
	if err != nil {
		return found{}, err
	}
	visible, err := s.visible(ctx, f, organizationID)
	switch {
	case err != nil:
		return found{}, err
	case !visible:
		return found{}, unknownSubject(id)
	case f.Type == iam.TypeGroup:
		return found{}, iam.InvalidField("subject_id", "%s is a group, and a group calls nothing; name one of its members", id)
	}
	f.suspended = f.suspended && slices.Contains(f.organizations, organizationID) // elsewhere that is not told
	return f, nil
}

func (s *ExplainService) visible(ctx context.Context, f found, organizationID string) (bool, error) {
	if f.Subject == gate.From(ctx).Caller() {
		return true, nil
	}
	if f.Type != iam.TypeGroup {
		if knows, err := s.Knows(ctx, f.Subject, organizationID); err != nil || knows {
			return knows, err
		}
	}
	for _, o := range f.organizations {
		if o == organizationID {
			return true, nil
		}
		if knows, err := gate.Knows(ctx, o); err != nil || knows {
			return knows, err
		}
	}
	return false, nil
}

func findSubject(tx *store.Tx, id string) (found, error) {
	if u, err := store.GetUserAccount(tx, id); !errors.Is(err, iam.NotFound) {
		if err != nil {
			return found{}, err
		}
		organizations, err := store.OrganizationsOf(tx, iam.SubjectID(id))
		return found{iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}, organizations, u.Status != iam.UserAccountActive}, err
	}
	kind, suspended := iam.TypeServiceAccount, false
	account, err := store.GetServiceAccount(tx, id)
	if err == nil {
		suspended = account.StatusAt(tx.Now()) == iam.ServiceAccountSuspended
	}
	if errors.Is(err, iam.NotFound) {
		kind = iam.TypeGroup
		_, err = store.GetGroup(tx, id)
	}
	if errors.Is(err, iam.NotFound) {
		err = unknownSubject(id)
	}
	if err != nil {
		return found{}, err
	}
	organizationID, err := store.OrganizationOf(tx, id)
	return found{iam.Subject{ID: iam.SubjectID(id), Type: kind}, []string{organizationID}, suspended}, err
}

func unknownSubject(id string) error {
	return iam.Errorf(iam.NotFound, "Subject %s not found", id)
}
