package accessservice_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

func (w *world) bulk(t *testing.T, pkg string, r *pb.BulkAuthorizeRequest) (*pb.BulkAuthorizeResponse, error) {
	t.Helper()
	out := &pb.BulkAuthorizeResponse{}
	return out, call(t, w.conn, pkg+"BulkAuthorize", r, out)
}

func (w *world) actions(permissions ...string) *pb.BulkAuthorizeRequest {
	items := &pb.BulkAuthorizeRequest_Actions{}
	for _, p := range permissions {
		items.Items = append(items.Items, &pb.BulkAuthorizeRequest_Action{Permission: p,
			ResourcePath: path(db, w.database, folder, w.FolderID, cloud, w.CloudID, gizmo, w.gizmo)})
	}
	return &pb.BulkAuthorizeRequest{Identity: &pb.BulkAuthorizeRequest_IamToken{IamToken: w.token},
		Authorizations: &pb.BulkAuthorizeRequest_Actions_{Actions: items}}
}

func summary(r *pb.BulkAuthorizeResponse) (out []string) {
	for _, i := range r.GetResults().GetItems() {
		s := i.GetPermission()
		if i.GetPermissionDeniedError() != nil {
			s += " denied"
		}
		out = append(out, s)
	}
	return out
}

// What YDB sends with EnableAccessServiceBulkAuthorization, and what it reads.
func TestBulkAsYDBAsks(t *testing.T) {
	w := newWorld(t)
	w.bind(t, w.FolderID, "ydb.viewer", w.robot())
	r := w.actions("ydb.databases.list", "ydb.databases.updateAccessBindings", "ydb.databases.connect", "ydb.tables.select", "ydb.schemas.getMetadata", "ydb.clusters.get")
	for f, want := range map[pb.BulkAuthorizeRequest_ResultFilter][]string{
		pb.BulkAuthorizeRequest_ALL_FAILED:   {"ydb.databases.updateAccessBindings denied", "ydb.clusters.get denied"},
		pb.BulkAuthorizeRequest_FIRST_FAILED: {"ydb.databases.updateAccessBindings denied"},
		pb.BulkAuthorizeRequest_RESULT_FILTER_UNSPECIFIED: {"ydb.databases.list", "ydb.databases.updateAccessBindings denied", "ydb.databases.connect",
			"ydb.tables.select", "ydb.schemas.getMetadata", "ydb.clusters.get denied"},
	} {
		r.ResultFilter = f
		for _, pkg := range []string{v1, v2} {
			out, err := w.bulk(t, pkg, r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, summary(out)); diff != "" {
				t.Errorf("%s: %s", f, diff)
			}
			if out.GetSubject().GetServiceAccount().GetId() != w.ServiceAccountID || out.GetUnauthenticatedError() != nil {
				t.Errorf("%s: subject %v, %v", f, out.GetSubject(), out.GetUnauthenticatedError())
			}
		}
	}
	// All allowed: no results, and a subject.
	ok := w.actions("ydb.databases.list")
	ok.ResultFilter = pb.BulkAuthorizeRequest_ALL_FAILED
	if out, err := w.bulk(t, v2, ok); err != nil || len(summary(out)) > 0 || out.GetSubject() == nil {
		t.Errorf("nothing denied: %v, %v", out, err)
	}
	// A bad credential is in the answer of a call that succeeds.
	r.Identity = &pb.BulkAuthorizeRequest_IamToken{IamToken: "t1.bad.token"}
	for _, pkg := range []string{v1, v2} {
		out, err := w.bulk(t, pkg, r)
		if err != nil || out.GetUnauthenticatedError().GetMessage() != "The token is invalid" || out.GetSubject() != nil || out.GetResults() != nil {
			t.Errorf("a bad token: %v, %v", out, err)
		}
	}
	r.Identity = &pb.BulkAuthorizeRequest_ApiKey{ApiKey: "AQVN"}
	if out, err := w.bulk(t, v2, r); err != nil || out.GetUnauthenticatedError() == nil {
		t.Errorf("an API key: %v, %v", out, err)
	}
}

func TestResultMask(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		mask []string
		want string
	}{
		{nil, "permission resource_path permission_denied_error"},
		{[]string{"permission"}, "permission"},
		{[]string{"permission_denied_error", "resource_path"}, "resource_path permission_denied_error"},
	} {
		r := w.actions("ydb.clusters.get")
		r.ResultMask = &fieldmaskpb.FieldMask{Paths: c.mask}
		out, err := w.bulk(t, v2, r)
		if err != nil || len(out.GetResults().GetItems()) != 1 {
			t.Fatalf("%v: %v, %v", c.mask, out, err)
		}
		var got []string
		i := out.GetResults().GetItems()[0]
		if i.GetPermission() != "" {
			got = append(got, "permission")
		}
		if len(i.GetResourcePath()) > 0 {
			got = append(got, "resource_path")
		}
		if i.GetPermissionDeniedError() != nil {
			got = append(got, "permission_denied_error")
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("mask %v shows %s, want %s", c.mask, s, c.want)
		}
	}
	r := w.actions("ydb.clusters.get")
	r.ResultMask = &fieldmaskpb.FieldMask{Paths: []string{"items"}}
	_, err := w.bulk(t, v2, r)
	expect(t, "a field that results have not", err, codes.InvalidArgument, "")
}

func (w *world) matrix(paths, permissions int) *pb.BulkAuthorizeRequest {
	m := &pb.BulkAuthorizeRequest_ActionMatrix{}
	for i := range paths {
		m.ResourcePaths = append(m.ResourcePaths, &pb.ResourcePath{Path: path(db, fmt.Sprint("db", i), folder, w.FolderID)})
	}
	all := []string{"resource-manager.folders.get", "ydb.clusters.get"}
	for i := range permissions {
		m.Permissions = append(m.Permissions, all[i%2])
	}
	return &pb.BulkAuthorizeRequest{Identity: &pb.BulkAuthorizeRequest_Subject{Subject: account(w.ServiceAccountID)},
		Authorizations: &pb.BulkAuthorizeRequest_ActionMatrix_{ActionMatrix: m}}
}

func TestMatrix(t *testing.T) {
	w := newWorld(t)
	out, err := w.bulk(t, v2, w.matrix(2, 2))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range out.GetResults().GetItems() {
		got = append(got, show(i.GetResourcePath()[:1])+" "+i.GetPermission())
	}
	want := []string{"ydb.database db0 resource-manager.folders.get", "ydb.database db0 ydb.clusters.get",
		"ydb.database db1 resource-manager.folders.get", "ydb.database db1 ydb.clusters.get"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"resource-manager.folders.get", "ydb.clusters.get denied"}, summary(out)[:2]); diff != "" {
		t.Error(diff)
	}
	if out, err = w.bulk(t, v1, w.matrix(500, 2)); err != nil || len(out.GetResults().GetItems()) != 1000 {
		t.Errorf("1,000 questions: %v, %d results", err, len(out.GetResults().GetItems()))
	}
	long := w.matrix(1, 1)
	long.GetActionMatrix().Permissions[0] = ""
	wrong := w.matrix(3, 1)
	wrong.GetActionMatrix().ResourcePaths[2].Path[1].Id = w.CloudID
	misspelt := w.actions("ydb.databases.list", "ydb.databases.lost")
	for _, c := range []struct {
		name string
		r    *pb.BulkAuthorizeRequest
		text string
	}{
		{"1,002 questions", w.matrix(501, 2), "action_matrix: 2 permissions on 501 resources are 1002 questions; at most 1000 are allowed"},
		{"1,001 actions", w.actions(make([]string, 1001)...), "Validation failed:\n  - actions.items: must have between 1 and 1000 elements"},
		{"no actions", w.actions(), "Validation failed:\n  - actions.items: must have between 1 and 1000 elements"},
		{"nothing to ask", &pb.BulkAuthorizeRequest{}, "Validation failed:\n  - authorizations: One of the options must be selected"},
		{"an empty permission", long, ""},
		{"no paths", w.matrix(0, 1), ""},
		{"a wrong path", wrong, "action_matrix.resource_paths[2].path[1]: its id is that of another type of resource"},
		{"an unknown permission", misspelt, "actions.items[1].permission: Permission ydb.databases.lost does not exist"},
		{"an unknown filter", &pb.BulkAuthorizeRequest{ResultFilter: 7, Authorizations: misspelt.Authorizations}, ""},
	} {
		_, err := w.bulk(t, v2, c.r)
		expect(t, c.name, err, codes.InvalidArgument, c.text)
	}
}

// The text of a denial does not grow with what the caller sent, here as in a
// status.
func TestLongDenials(t *testing.T) {
	w := newWorld(t)
	r := w.actions("ydb.clusters.get")
	item := r.GetActions().Items[0]
	for i := range 128 - len(item.ResourcePath) {
		item.ResourcePath = append(path("iam.serviceAccount", fmt.Sprintf("%050d", i)), item.ResourcePath...)
	}
	_, single := w.authorize(t, v2, &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_IamToken{IamToken: w.token},
		Permission: item.Permission, ResourcePath: item.ResourcePath})
	out, err := w.bulk(t, v2, r)
	if err != nil || len(out.GetResults().GetItems()) != 1 {
		t.Fatalf("%v, %v", out, err)
	}
	got := out.GetResults().Items[0].GetPermissionDeniedError().GetMessage()
	if want := status.Convert(single).Message(); got != want || len(got) > 5000 {
		t.Errorf("%d bytes of text, alone they are %d", len(got), len(want))
	}
}
