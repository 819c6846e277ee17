package cloudapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

func TestSubjectAccessBindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.newAccount(t, "robot")
	other := w.newFolder(t, "other")
	var want []string
	for _, b := range []struct{ service, kind, id, role string }{
		{"cloud", "resource-manager.cloud", w.home.CloudID, "viewer"}, {"cloud", "resource-manager.cloud", w.home.CloudID, "editor"},
		{"folder", "resource-manager.folder", w.home.FolderID, "viewer"}, {"folder", "resource-manager.folder", other, "iam.serviceAccounts.user"},
		{"sa", "iam.serviceAccount", robot, "auditor"},
	} {
		w.bind(t, b.service, b.id, add(b.role, robot), add("viewer", w.ServiceAccountID))
		want = append(want, b.kind+" "+b.id+" "+b.role+" "+robot)
	}
	// What stands elsewhere is not told of.
	w.update(t, func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, w.FolderID, iam.AccessBinding{Role: "viewer", Subject: iam.Subject{ID: iam.SubjectID(robot), Type: iam.TypeServiceAccount}})
		return err
	})
	list := func(size int64) (got []string) {
		for token := ""; ; {
			r := call(t, w.owner, "analyzer.ListSubjectAccessBindings", &iampb.ListSubjectAccessBindingsRequest{
				OrganizationId: w.home.OrganizationID, SubjectId: robot, PageSize: size, PageToken: token}, new(iampb.ListSubjectAccessBindingsResponse))
			for _, b := range r.GetSubjectAccessBindings() {
				got = append(got, b.GetResource().GetType()+" "+b.GetResource().GetId()+" "+b.GetRoleId()+" "+b.GetSubjectId())
			}
			if token = r.GetNextPageToken(); token == "" {
				return got
			}
		}
	}
	whole := list(0)
	sorted := slices.Sorted(slices.Values(whole))
	slices.Sort(want)
	if !cmp.Equal(sorted, want) {
		t.Errorf("bindings %q, want %q", sorted, want)
	}
	for _, size := range []int64{1, 2, 5} {
		if got := list(size); !cmp.Equal(got, whole) {
			t.Errorf("pages of %d: %q, want %q", size, got, whole)
		}
	}
	nobody := call(t, w.owner, "analyzer.ListSubjectAccessBindings", &iampb.ListSubjectAccessBindingsRequest{
		OrganizationId: w.home.OrganizationID, SubjectId: "ajenever000000000000"}, new(iampb.ListSubjectAccessBindingsResponse))
	if len(nobody.GetSubjectAccessBindings()) != 0 || nobody.GetNextPageToken() != "" {
		t.Errorf("somebody nobody knows has %v", nobody)
	}
	for _, c := range []struct {
		r    *iampb.ListSubjectAccessBindingsRequest
		code codes.Code
		text string
	}{
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: w.OrganizationID, SubjectId: robot}, codes.NotFound, "Organization " + w.OrganizationID + " not found"},
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: "bpfnever000000000000", SubjectId: robot}, codes.NotFound, "Organization bpfnever000000000000 not found"},
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: w.home.CloudID, SubjectId: robot}, codes.NotFound, "Organization " + w.home.CloudID + " not found"},
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: w.home.OrganizationID}, codes.InvalidArgument, "subject_id"},
		{&iampb.ListSubjectAccessBindingsRequest{SubjectId: robot}, codes.InvalidArgument, "organization_id"},
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: w.home.OrganizationID, SubjectId: strings.Repeat("s", 101)}, codes.InvalidArgument, "subject_id"},
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: w.home.OrganizationID, SubjectId: robot, PageSize: 1001}, codes.InvalidArgument, "page_size"},
		{&iampb.ListSubjectAccessBindingsRequest{OrganizationId: w.home.OrganizationID, SubjectId: robot, PageToken: "garbage"}, codes.InvalidArgument, "page_token"},
	} {
		w.owner.refuse(t, "analyzer.ListSubjectAccessBindings", c.r, c.code, c.text)
	}
	// A token is good for its own subject.
	first := call(t, w.owner, "analyzer.ListSubjectAccessBindings", &iampb.ListSubjectAccessBindingsRequest{
		OrganizationId: w.home.OrganizationID, SubjectId: robot, PageSize: 1}, new(iampb.ListSubjectAccessBindingsResponse))
	w.owner.refuse(t, "analyzer.ListSubjectAccessBindings", &iampb.ListSubjectAccessBindingsRequest{
		OrganizationId: w.home.OrganizationID, SubjectId: w.ServiceAccountID, PageToken: first.GetNextPageToken()}, codes.InvalidArgument, "page_token")
}
