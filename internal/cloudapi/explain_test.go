package cloudapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func newOperation() *operationpb.Operation { return new(operationpb.Operation) }

func getOperation(id string) *operationpb.GetOperationRequest {
	return &operationpb.GetOperationRequest{OperationId: id}
}

func cancelRequest(id string) *operationpb.CancelOperationRequest {
	return &operationpb.CancelOperationRequest{OperationId: id}
}

// later is a time that does not come while a test runs.
func (w *world) later() time.Time { return time.Now().Add(time.Hour) }

func (w *world) explain(t *testing.T, subject, permission, resourceID string) *propuskpb.Explanation {
	t.Helper()
	return call(t, w.owner, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: subject, Permission: permission, ResourceId: resourceID}, new(propuskpb.Explanation))
}

func TestExplainTellsWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.newAccount(t, "robot")
	db := w.newDatabase(t, "db")
	x := w.explain(t, robot, "propusk.resources.get", db)
	if want := "Denied: nothing is bound to " + robot + ", or to a group that it is in, on ydb.database db or above."; x.GetAllowed() || x.GetVerdict() != want {
		t.Errorf("%q, want %q", x.GetVerdict(), want)
	}
	var path []string
	for _, p := range x.GetPath() {
		path = append(path, p.GetId())
	}
	if d := cmp.Diff([]string{db, w.home.FolderID, w.home.CloudID, w.home.OrganizationID}, path); d != "" {
		t.Error(d)
	}
	would := x.GetWouldAllow()
	if would.GetSubjectId() != robot || would.GetResource().GetId() != db || would.GetRoleId() != "propusk.resources.viewer" {
		t.Errorf("would allow it: %v", would)
	}
	// What it names does allow it.
	w.bind(t, "resource", db, add(would.GetRoleId(), robot))
	x = w.explain(t, robot, "propusk.resources.get", db)
	if want := "Allowed: " + robot + " holds role propusk.resources.viewer on ydb.database db, which has propusk.resources.get."; !x.GetAllowed() || x.GetVerdict() != want || x.GetWouldAllow() != nil || len(x.GetSufficient()) != 1 {
		t.Errorf("%v, want %q", x, want)
	}
	if x = w.explain(t, robot, "propusk.resources.delete", db); x.GetAllowed() || x.GetBindings()[0].GetWhy() == "" ||
		x.GetVerdict() != "Denied: the one binding that counts for "+robot+" does not grant propusk.resources.delete." {
		t.Errorf("%v", x)
	}
}

// The roles of a suspended account are there still; what keeps it out is told.
func TestExplainSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.newAccount(t, "robot")
	db := w.newDatabase(t, "db")
	w.bind(t, "resource", db, add("viewer", robot))
	const told = " The account is suspended, though: until it is reactivated no credential of it is accepted."
	before := w.explain(t, robot, "propusk.resources.get", db)
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: robot})
	if x := w.explain(t, robot, "propusk.resources.get", db); !x.GetAllowed() || x.GetVerdict() != before.GetVerdict()+told {
		t.Errorf("%q, want %q", x.GetVerdict(), before.GetVerdict()+told)
	}
	w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: robot})
	if x := w.explain(t, robot, "propusk.resources.get", db); x.GetVerdict() != before.GetVerdict() {
		t.Errorf("reactivated: %q", x.GetVerdict())
	}
	// An account of another organization: that it is suspended is not this one's to know.
	dev := w.exchange(t, w.Key)
	foreign := dev.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.FolderID, Name: "foreign"})
	dev.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: foreign})
	w.bind(t, "resource", db, add("viewer", foreign))
	if x := w.explain(t, foreign, "propusk.resources.get", db); !x.GetAllowed() || strings.Contains(x.GetVerdict(), "suspended") {
		t.Errorf("of elsewhere: %q", x.GetVerdict())
	}
}

func TestExplainSuspendedPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.newDatabase(t, "db")
	ours, foreign := w.person(t, "ours", w.home.OrganizationID), w.person(t, "foreign", w.OrganizationID)
	for id, told := range map[string]bool{ours: true, foreign: false} {
		w.bind(t, "resource", db, addUser("viewer", id))
		before := w.explain(t, id, "propusk.resources.get", db).GetVerdict()
		if _, err := w.Server.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: id}); err != nil {
			t.Fatal(err)
		}
		x := w.explain(t, id, "propusk.resources.get", db)
		if !x.GetAllowed() || strings.Contains(x.GetVerdict(), "The account is suspended") != told || !strings.HasPrefix(x.GetVerdict(), before) {
			t.Errorf("%q, before %q; told: %v", x.GetVerdict(), before, told)
		}
	}
}

func TestExplainUnknownPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.owner.refuse(t, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: w.newAccount(t, "robot"), Permission: "ydb.tables.paint", ResourceId: w.home.FolderID},
		codes.InvalidArgument, "permission: Permission ydb.tables.paint does not exist")
	if len(a.details) != 2 {
		t.Errorf("%d details, want BadRequest and RequestInfo", len(a.details))
	}
}

func TestExplainAnonymous(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bucket := w.owner.create(t, "resource.Create", &propuskpb.CreateResourceRequest{ParentId: w.home.FolderID, Type: "storage.bucket", Id: "public"})
	db := w.newDatabase(t, "private")
	for _, id := range []string{bucket, db} {
		op := w.owner.operate(t, "resource.UpdateAccessBindings", everybody(id))
		if op.GetError() != nil {
			t.Fatal(op)
		}
	}
	if x := w.explain(t, "anonymous", "propusk.resources.get", bucket); !x.GetAllowed() || x.GetSubject().GetType() != "anonymous" {
		t.Errorf("a bucket: %v", x)
	}
	if x := w.explain(t, "anonymous", "propusk.resources.get", db); x.GetAllowed() || x.GetVerdict() != "Denied: anonymous counts as nobody on a ydb.database." {
		t.Errorf("a database: %v", x)
	}
}

// TestExplainKeepsToItself: what the asker may not know, of resources, subjects
// and groups, is not told, and what is hidden reads like what is not there.
func TestExplainKeepsToItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const own, foreign = "ajegroup0000000000000", "ajealien0000000000000"
	robot := w.newAccount(t, "robot")
	w.update(t, func(tx *store.Tx) error {
		for id, organization := range map[string]string{own: w.home.OrganizationID, foreign: w.OrganizationID} {
			if err := store.InsertGroup(tx, &iam.Group{ID: id, OrganizationID: organization, Name: "g", CreatedAt: tx.Now()}); err != nil {
				return err
			}
			for subject, kind := range map[string]iam.SubjectType{robot: iam.TypeServiceAccount, w.AliceID: iam.TypeUserAccount} {
				if _, err := store.AddGroupMember(tx, id, iam.Subject{ID: iam.SubjectID(subject), Type: kind}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	holders := func(x *propuskpb.Explanation) (out []string) {
		for _, h := range x.GetHolders() {
			out = append(out, h.GetKind()+" "+h.GetId())
		}
		return out
	}
	const may = "resource-manager.folders.get"
	want := []string{"self " + robot, "group " + own, "system allAuthenticatedUsers", "system allUsers"}
	if d := cmp.Diff(want, holders(w.explain(t, robot, may, w.home.FolderID))); d != "" {
		t.Errorf("holders (-want +got):\n%s", d)
	}
	refuse := func(c *caller, subject, permission, resource string, code codes.Code, text string) {
		t.Helper()
		c.refuse(t, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: subject, Permission: permission, ResourceId: resource}, code, text)
	}
	refuse(w.owner, "never", may, w.home.FolderID, codes.NotFound, "Subject never not found")
	refuse(w.owner, w.ServiceAccountID, may, w.home.FolderID, codes.NotFound, "Subject "+w.ServiceAccountID+" not found")
	refuse(w.owner, w.BobID, may, w.home.FolderID, codes.NotFound, "Subject "+w.BobID+" not found")
	refuse(w.owner, foreign, may, w.home.FolderID, codes.NotFound, "Subject "+foreign+" not found")
	refuse(w.owner, own, may, w.home.FolderID, codes.InvalidArgument, "is a group")
	refuse(w.owner, robot, may, w.FolderID, codes.NotFound, "Resource "+w.FolderID+" not found")
	refuse(w.owner, robot, may, "never", codes.NotFound, "Resource never not found")
	refuse(w.owner, robot, "no.such.permission", w.home.FolderID, codes.InvalidArgument, "no.such.permission")
	refuse(w.owner, "", may, w.home.FolderID, codes.InvalidArgument, "subject_id")
	refuse(w.robot(t, "admin", "admin"), robot, may, w.home.FolderID, codes.PermissionDenied, "Permission to [organization-manager.organization ")
	refuse(w.exchange(t, w.Key), robot, may, w.home.FolderID, codes.NotFound, "Resource "+w.home.FolderID+" not found")
	// Who is bound here is no stranger any more.
	w.bind(t, "folder", w.home.FolderID, add("viewer", w.ServiceAccountID))
	if x := w.explain(t, w.ServiceAccountID, may, w.home.FolderID); !x.GetAllowed() {
		t.Errorf("%v", x)
	}
	if a := w.owner.do(t, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: w.AliceID, Permission: may, ResourceId: w.home.FolderID}, new(propuskpb.Explanation)); a.code != codes.NotFound {
		t.Errorf("a member of a group that nothing is bound to: %v", a)
	}
}

func everybody(resourceID string) *accesspb.UpdateAccessBindingsRequest {
	return &accesspb.UpdateAccessBindingsRequest{ResourceId: resourceID, AccessBindingDeltas: deltas(&accesspb.AccessBindingDelta{
		Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", "system", "allUsers")})}
}
