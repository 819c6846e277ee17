package cloudapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func init() {
	services["resource"] = "propusk.v1.ResourceService"
	services["explain"] = "propusk.v1.ExplainService"
	areaRows = append(areaRows, resourceRows)
}

func resourceRows(w *world) []row {
	of := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, n int) proto.Message {
			return build(w.newDatabase(t, fmt.Sprintf("db-%d", n)))
		}
	}
	folder := w.home.FolderID
	return []row{
		{"resource.Get", "UND++++", of(func(id string) proto.Message { return &propuskpb.GetResourceRequest{ResourceId: id} })},
		{"resource.List", "UND++++", fixed(&propuskpb.ListResourcesRequest{ParentId: folder})},
		{"resource.Create", "UNDD+++", func(_ *testing.T, _ *world, n int) proto.Message {
			return &propuskpb.CreateResourceRequest{ParentId: folder, Type: "ydb.database", Id: fmt.Sprintf("made-%d", n)}
		}},
		{"resource.Update", "UNDD+++", of(func(id string) proto.Message {
			return &propuskpb.UpdateResourceRequest{ResourceId: id, UpdateMask: masked("description")}
		})},
		{"resource.Delete", "UNDD+++", of(func(id string) proto.Message { return &propuskpb.DeleteResourceRequest{ResourceId: id} })},
		{"resource.ListOperations", "UND++++", of(func(id string) proto.Message {
			return &propuskpb.ListResourceOperationsRequest{ResourceId: id}
		})},
		{"resource.ListAccessBindings", "UND++++", of(func(id string) proto.Message {
			return &accesspb.ListAccessBindingsRequest{ResourceId: id}
		})},
		{"resource.SetAccessBindings", "UNDDD++", of(func(id string) proto.Message {
			return &accesspb.SetAccessBindingsRequest{ResourceId: id}
		})},
		{"resource.UpdateAccessBindings", "UNDDD++", of(func(id string) proto.Message {
			return &accesspb.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: deltas(add("viewer", w.home.ServiceAccountID))}
		})},
		// The permission is asked on the organization, where only the owner has a role.
		{"explain.Explain", "UNDDDD+", fixed(&propuskpb.ExplainRequest{
			SubjectId: w.home.ServiceAccountID, Permission: "resource-manager.folders.get", ResourceId: folder})},
	}
}

func (w *world) newDatabase(t *testing.T, id string) string {
	t.Helper()
	return w.owner.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "ydb.database", Id: id})
}

func TestResourceFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner
	get := func(id string) *propuskpb.Resource {
		return call(t, o, "resource.Get", &propuskpb.GetResourceRequest{ResourceId: id}, new(propuskpb.Resource))
	}
	op := o.operate(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "ydb.database", Id: "etn1",
		Name: "Main db", Description: "d", Labels: map[string]string{"a": "b"}})
	want := &propuskpb.Resource{Id: "etn1", Type: "ydb.database", ParentId: w.home.FolderID, Name: "Main db", Description: "d", Labels: map[string]string{"a": "b"}}
	same(t, "created", response(t, op, new(propuskpb.Resource)), get("etn1"), want)
	op = o.operate(t, "resource.Update", &propuskpb.UpdateResourceRequest{ResourceId: "etn1", UpdateMask: masked("name"), Name: "other", Description: "ignored"})
	want.Name = "other"
	same(t, "masked", response(t, op, new(propuskpb.Resource)), get("etn1"), want)
	op = o.operate(t, "resource.Update", &propuskpb.UpdateResourceRequest{ResourceId: "etn1"})
	want.Name, want.Description, want.Labels = "", "", nil
	same(t, "no mask writes all", response(t, op, new(propuskpb.Resource)), get("etn1"), want)
	for _, path := range []string{"type", "id", "parent_id", "resource_id", "created_at"} {
		o.refuse(t, "resource.Update", &propuskpb.UpdateResourceRequest{ResourceId: "etn1", UpdateMask: masked(path)}, codes.InvalidArgument, "update_mask")
	}
	// One without an id gets one, of the form that nobody may choose.
	made := o.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "storage.bucket"})
	if len(made) != 20 {
		t.Errorf("id %q", made)
	}
	ops := call(t, o, "resource.ListOperations", &propuskpb.ListResourceOperationsRequest{ResourceId: "etn1"}, new(propuskpb.ListResourceOperationsResponse))
	if len(ops.GetOperations()) != 3 || ops.GetOperations()[2].GetDescription() != "Create resource" {
		t.Errorf("operations: %v", ops)
	}
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.CreateResource"})
	if len(lines) != 2 || lines[0].Details["resource_id"] != "etn1" || lines[0].Details["resource_type"] != "ydb.database" || lines[0].Details["parent_id"] != w.home.FolderID {
		t.Errorf("audit of Create: %v", lines)
	}
}

func TestResourcesPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	registry := w.owner.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "container-registry.registry", Id: "reg"})
	var want, got []string
	for i := range 5 {
		id := fmt.Sprintf("repo-%d", i)
		w.owner.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: registry, Type: "container-registry.repository", Id: id, Name: fmt.Sprintf("n%d", i%2)})
		want = append(want, id)
	}
	req := &propuskpb.ListResourcesRequest{ParentId: registry, PageSize: 2}
	for {
		page := call(t, w.owner, "resource.List", req, new(propuskpb.ListResourcesResponse))
		for _, r := range page.GetResources() {
			got = append(got, r.GetId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	named := call(t, w.owner, "resource.List", &propuskpb.ListResourcesRequest{ParentId: registry, Filter: `name="n1"`}, new(propuskpb.ListResourcesResponse))
	if len(named.GetResources()) != 2 {
		t.Errorf("by name: %v", named)
	}
	top := call(t, w.owner, "resource.List", &propuskpb.ListResourcesRequest{ParentId: w.home.FolderID}, new(propuskpb.ListResourcesResponse))
	if len(top.GetResources()) != 1 || top.GetResources()[0].GetId() != registry {
		t.Errorf("right below the folder: %v", top)
	}
	for _, parent := range []string{w.home.CloudID, w.home.OrganizationID, w.home.ServiceAccountID} {
		w.owner.refuse(t, "resource.List", &propuskpb.ListResourcesRequest{ParentId: parent}, codes.InvalidArgument, "parent_id: ")
	}
}

func TestResourcesBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newDatabase(t, "taken")
	w.newDatabase(t, "gone")
	w.owner.operate(t, "resource.Delete", &propuskpb.DeleteResourceRequest{ResourceId: "gone"})
	stranger := w.exchange(t, w.Key)
	good := func() *propuskpb.CreateResourceRequest {
		return &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "ydb.database", Id: "fresh"}
	}
	for what, c := range map[string]struct {
		change func(*propuskpb.CreateResourceRequest)
		code   codes.Code
		text   string
	}{
		"no type":                    {func(r *propuskpb.CreateResourceRequest) { r.Type = "" }, codes.InvalidArgument, "type"},
		"a type nobody registered":   {func(r *propuskpb.CreateResourceRequest) { r.Type = "acme.rocket" }, codes.InvalidArgument, `type: nobody registered the type "acme.rocket"`},
		"a type of the tree":         {func(r *propuskpb.CreateResourceRequest) { r.Type = "iam.serviceAccount" }, codes.InvalidArgument, "type: a iam.serviceAccount is made by its own service"},
		"a root":                     {func(r *propuskpb.CreateResourceRequest) { r.Type = "iam.gizmo" }, codes.InvalidArgument, "the operator registers it"},
		"the wrong parent's type":    {func(r *propuskpb.CreateResourceRequest) { r.Type = "container-registry.image" }, codes.InvalidArgument, "stands below a container-registry.repository"},
		"below a database":           {func(r *propuskpb.CreateResourceRequest) { r.ParentId = "taken" }, codes.InvalidArgument, "not below a ydb.database"},
		"below a cloud":              {func(r *propuskpb.CreateResourceRequest) { r.ParentId = w.home.CloudID }, codes.InvalidArgument, "parent_id: "},
		"below nothing":              {func(r *propuskpb.CreateResourceRequest) { r.ParentId = "" }, codes.InvalidArgument, "parent_id"},
		"below what never was":       {func(r *propuskpb.CreateResourceRequest) { r.ParentId = "never" }, codes.NotFound, "Resource never not found"},
		"below what is gone":         {func(r *propuskpb.CreateResourceRequest) { r.ParentId = "gone" }, codes.NotFound, "Resource gone not found"},
		"below another's folder":     {func(r *propuskpb.CreateResourceRequest) { r.ParentId = w.FolderID }, codes.NotFound, "Resource " + w.FolderID + " not found"},
		"an id in use":               {func(r *propuskpb.CreateResourceRequest) { r.Id = "taken" }, codes.AlreadyExists, "Id taken is already used"},
		"an id once used":            {func(r *propuskpb.CreateResourceRequest) { r.Id = "gone" }, codes.AlreadyExists, "Id gone is already used"},
		"an id that exists":          {func(r *propuskpb.CreateResourceRequest) { r.Id = w.CloudID }, codes.InvalidArgument, "id: ids of this form are made by the server"},
		"an id that might":           {func(r *propuskpb.CreateResourceRequest) { r.Id = "aje00000000000000000" }, codes.InvalidArgument, "id: ids of this form are made by the server"},
		"an id with a slash":         {func(r *propuskpb.CreateResourceRequest) { r.Id = "a/b" }, codes.InvalidArgument, "id"},
		"an id with a line":          {func(r *propuskpb.CreateResourceRequest) { r.Id = "ab\n" }, codes.InvalidArgument, "id"},
		"an id that begins oddly":    {func(r *propuskpb.CreateResourceRequest) { r.Id = ".." }, codes.InvalidArgument, "id"},
		"a long id":                  {func(r *propuskpb.CreateResourceRequest) { r.Id = strings.Repeat("x", 51) }, codes.InvalidArgument, "id"},
		"a long name":                {func(r *propuskpb.CreateResourceRequest) { r.Name = strings.Repeat("x", 64) }, codes.InvalidArgument, "name"},
		"a label of another form":    {func(r *propuskpb.CreateResourceRequest) { r.Labels = map[string]string{"A": "b"} }, codes.InvalidArgument, "labels"},
		"a description of 257 runes": {func(r *propuskpb.CreateResourceRequest) { r.Description = strings.Repeat("я", 257) }, codes.InvalidArgument, "description"},
	} {
		r := good()
		c.change(r)
		if a := w.owner.refuse(t, "resource.Create", r, c.code, c.text); a.code != c.code {
			t.Errorf("%s: %v", what, a)
		}
	}
	// What is in the tree and no registered resource, and what another
	// organization has, is not found, in the same words as what never was.
	for _, id := range []string{"never", "gone", w.home.FolderID, w.home.ServiceAccountID} {
		text := "Resource " + id + " not found"
		w.owner.refuse(t, "resource.Get", &propuskpb.GetResourceRequest{ResourceId: id}, codes.NotFound, text)
		w.owner.refuse(t, "resource.Update", &propuskpb.UpdateResourceRequest{ResourceId: id}, codes.NotFound, text)
		w.owner.refuse(t, "resource.Delete", &propuskpb.DeleteResourceRequest{ResourceId: id}, codes.NotFound, text)
		w.owner.refuse(t, "resource.ListOperations", &propuskpb.ListResourceOperationsRequest{ResourceId: id}, codes.NotFound, text)
		w.owner.refuse(t, "resource.ListAccessBindings", &accesspb.ListAccessBindingsRequest{ResourceId: id}, codes.NotFound, text)
		w.owner.refuse(t, "resource.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id}, codes.NotFound, text)
	}
	stranger.refuse(t, "resource.Get", &propuskpb.GetResourceRequest{ResourceId: "taken"}, codes.NotFound, "Resource taken not found")
	// One cloud's owner role has no place on a database.
	w.owner.refuse(t, "resource.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: "taken",
		AccessBindingDeltas: deltas(add("resource-manager.clouds.owner", w.home.ServiceAccountID))}, codes.InvalidArgument, "resource-manager.cloud only")
}

// TestResourceBindingsDecide: what is bound on a resource holds there and below
// and nowhere else, and ends with the resource.
func TestResourceBindingsDecide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.robot(t, "robot")
	registry := w.owner.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "container-registry.registry", Id: "reg"})
	repo := w.owner.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: registry, Type: "container-registry.repository", Id: "repo"})
	beside := w.newDatabase(t, "beside")
	expect := func(id string, want codes.Code) {
		t.Helper()
		if a := robot.do(t, "resource.Get", &propuskpb.GetResourceRequest{ResourceId: id}, new(propuskpb.Resource)); a.code != want {
			t.Errorf("%s: %v %s, want %v", id, a.code, a.message, want)
		}
		x := w.explain(t, robot.id, "propusk.resources.get", id)
		if x.GetAllowed() != (want == codes.OK) {
			t.Errorf("Explain says of %s: %s", id, x.GetVerdict())
		}
	}
	expect(repo, codes.PermissionDenied)
	w.bind(t, "resource", registry, add("viewer", robot.id))
	expect(registry, codes.OK)
	expect(repo, codes.OK)
	expect(beside, codes.PermissionDenied)
	// He who may see may not hand out.
	robot.refuse(t, "resource.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: registry, AccessBindingDeltas: deltas(add("viewer", w.home.ServiceAccountID))},
		codes.PermissionDenied, "Permission to [container-registry.registry reg, resource-manager.folder ")
	w.bind(t, "resource", registry, remove("viewer", robot.id))
	expect(repo, codes.PermissionDenied)

	w.bind(t, "resource", repo, add("viewer", robot.id))
	w.owner.operate(t, "resource.Delete", &propuskpb.DeleteResourceRequest{ResourceId: registry})
	for _, id := range []string{registry, repo} {
		w.owner.refuse(t, "resource.Get", &propuskpb.GetResourceRequest{ResourceId: id}, codes.NotFound, "not found")
		w.owner.refuse(t, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: robot.id, Permission: "propusk.resources.get", ResourceId: id}, codes.NotFound, "Resource "+id+" not found")
	}
	expect(beside, codes.PermissionDenied)
}

func TestResourcesGoWithTheirFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.newFolder(t, "going")
	create := func(parent, kind, id string) *propuskpb.CreateResourceRequest {
		return &propuskpb.CreateResourceRequest{ParentId: parent, Type: kind, Id: id}
	}
	w.owner.create(t, "resource.Create", create(folder, "container-registry.registry", "reg"))
	w.owner.create(t, "resource.Create", create("reg", "container-registry.repository", "repo"))
	// While the deletion is waited for nothing is added, however deep; what is
	// there can still be changed and taken away.
	later := timestamppb.New(w.later())
	op := call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: later}, newOperation())
	for _, r := range []*propuskpb.CreateResourceRequest{create(folder, "ydb.database", "x"), create("reg", "container-registry.repository", "y")} {
		w.owner.refuse(t, "resource.Create", r, codes.FailedPrecondition, "Folder "+folder+" is being deleted")
	}
	w.owner.operate(t, "resource.Delete", &propuskpb.DeleteResourceRequest{ResourceId: "repo"})
	call(t, w.owner, "op.Cancel", cancelRequest(op.GetId()), newOperation())
	w.owner.create(t, "resource.Create", create("reg", "container-registry.repository", "repo2"))
	op = call(t, w.owner, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: w.home.CloudID, DeleteAfter: later}, newOperation())
	w.owner.refuse(t, "resource.Create", create("reg", "container-registry.repository", "y"), codes.FailedPrecondition, "Folder "+folder+" is being deleted")
	call(t, w.owner, "op.Cancel", cancelRequest(op.GetId()), newOperation())
	w.owner.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(past)})
	for _, id := range []string{"reg", "repo2"} {
		w.owner.refuse(t, "resource.Get", &propuskpb.GetResourceRequest{ResourceId: id}, codes.NotFound, "Resource "+id+" not found")
		w.owner.refuse(t, "resource.Create", create(w.home.FolderID, "ydb.database", id), codes.AlreadyExists, "already used")
	}
}

func TestResourceOperationsAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	op := w.owner.operate(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "ydb.database", Id: "db"})
	viewer := w.robot(t, "viewer", "viewer")
	call(t, viewer, "op.Get", getOperation(op.GetId()), newOperation())
	w.robot(t, "member").refuse(t, "op.Get", getOperation(op.GetId()), codes.NotFound, "not found")
}
