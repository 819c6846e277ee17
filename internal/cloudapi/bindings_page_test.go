package cloudapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// A role may leave the catalogue, with the operator's file that defined it,
// while it stays bound. Pages go on behind it, and behind such a binding that
// is taken away between two pages.
func TestBindingPagesOutliveRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder, robot := w.newFolder(t, "f"), w.newAccount(t, "robot")
	binding := func(role iam.RoleID) iam.AccessBinding {
		return iam.AccessBinding{Role: role, Subject: iam.Subject{ID: iam.SubjectID(robot), Type: iam.TypeServiceAccount}}
	}
	roles := []string{"auditor", "gone.one", "gone.two", "viewer"}
	w.update(t, func(tx *store.Tx) error {
		for _, r := range roles {
			if _, err := store.AddBinding(tx, folder, binding(iam.RoleID(r))); err != nil {
				return err
			}
		}
		return nil
	})
	page := func(token string) (role, next string) {
		r := call(t, w.owner, "folder.ListAccessBindings",
			&accesspb.ListAccessBindingsRequest{ResourceId: folder, PageSize: 1, PageToken: token}, new(accesspb.ListAccessBindingsResponse))
		return r.GetAccessBindings()[0].GetRoleId(), r.GetNextPageToken()
	}
	var got, tokens []string
	for token := ""; ; {
		role, next := page(token)
		got, tokens = append(got, role), append(tokens, next)
		if token = next; token == "" {
			break
		}
	}
	if diff := cmp.Diff(roles, got); diff != "" {
		t.Error(diff)
	}
	w.update(t, func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, folder, binding("gone.one"))
		return err
	})
	if role, _ := page(tokens[1]); role != "auditor" {
		t.Errorf("behind a binding that is gone with its role the subject begins with %s, want auditor again", role)
	}
}
