package cloudapi_test

import (
	"testing"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// TestEveryMethodForPeople: whatever may be done is decided by what somebody
// holds, not by whether it is a person who calls, with an IAM token made of an
// OAuth token, or a service account.
func TestEveryMethodForPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	holder := func(login, organization string, grants map[string]iam.RoleID) *caller {
		t.Helper()
		id := w.person(t, login, organization)
		w.update(t, func(tx *store.Tx) error {
			for resource, role := range grants {
				subject := iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}
				if _, err := store.AddBinding(tx, resource, iam.AccessBinding{Role: role, Subject: subject}); err != nil {
					return err
				}
			}
			return nil
		})
		return w.asUser(t, w.oauthToken(t, id))
	}
	home, cloud := w.home.OrganizationID, w.home.CloudID
	people := map[string]*caller{
		"stranger": holder("stranger", w.OrganizationID, nil), "member": holder("member", home, nil),
		"viewer": holder("viewer", home, map[string]iam.RoleID{cloud: "viewer"}),
		"editor": holder("editor", home, map[string]iam.RoleID{cloud: "editor"}),
		"admin":  holder("admin", home, map[string]iam.RoleID{cloud: "admin"}),
		"owner":  holder("owner", home, map[string]iam.RoleID{home: iam.OrganizationOwner, cloud: iam.CloudOwner}),
	}
	for n, r := range rows(w) {
		for i, column := range columns {
			c, ok := people[column]
			if !ok {
				continue
			}
			req := r.request(t, w, n*len(columns)+i)
			into := newMessage(t, descriptorOf(t, fullMethod(r.method)).Output())
			a := c.do(t, r.method, req, into)
			if want := letters[rune(r.expect[i])]; a.code != want {
				t.Errorf("%s by a person, %s: %v %q, want %v", r.method, column, a.code, a.message, want)
			}
			checkRefusal(t, r.method+" by a person, "+column, a)
			if op, ok := into.(*operationpb.Operation); ok && a.code == 0 {
				checkOperation(t, r.method, op, c.id)
			}
		}
	}
}
