package cloudapi_test

import (
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
)

func (w *world) folderStatus(t *testing.T, id string) rmpb.Folder_Status {
	t.Helper()
	return call(t, w.owner, "folder.Get", &rmpb.GetFolderRequest{FolderId: id}, new(rmpb.Folder)).GetStatus()
}

func (w *world) operation(t *testing.T, id string) *operationpb.Operation {
	t.Helper()
	return call(t, w.owner, "op.Get", &operationpb.GetOperationRequest{OperationId: id}, new(operationpb.Operation))
}

// tree is a cloud with a folder, an account in it and a live token of that.
type tree struct {
	cloud, folder, account string
	token                  *caller
}

func (w *world) newTree(t *testing.T) tree {
	t.Helper()
	n := tree{cloud: w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "doomed"})}
	n.folder = w.owner.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: n.cloud, Name: "doomed"})
	id, key := w.keyed(t, n.folder, "doomed")
	n.account, n.token = id, w.login(t, key)
	return n
}

func TestDeletionAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.newTree(t)
	other := w.newTree(t)
	op := w.owner.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: n.folder, DeleteAfter: timestamppb.Now()})
	response(t, op, new(emptypb.Empty))
	dead(t, "its folder is gone", "", n.token)
	w.owner.refuse(t, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: n.account}, codes.NotFound, "not found")
	w.owner.refuse(t, "folder.Get", &rmpb.GetFolderRequest{FolderId: n.folder}, codes.NotFound, "not found")
	w.owner.refuse(t, "sa.List", &iampb.ListServiceAccountsRequest{FolderId: n.folder}, codes.NotFound, "not found")
	w.owner.operate(t, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: other.cloud, DeleteAfter: timestamppb.New(past)})
	dead(t, "its cloud is gone", "", other.token)
	w.owner.refuse(t, "folder.Get", &rmpb.GetFolderRequest{FolderId: other.folder}, codes.NotFound, "not found")
	w.owner.refuse(t, "folder.List", &rmpb.ListFoldersRequest{CloudId: other.cloud}, codes.NotFound, "not found")
	// The names are free again.
	w.owner.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: n.cloud, Name: "doomed"})
	w.owner.refuse(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: w.home.FolderID, DeleteAfter: &timestamppb.Timestamp{Seconds: 1 << 40}}, codes.InvalidArgument, "delete_after")
}

// await polls an operation until it is done; the job that ends it runs once a second.
func (w *world) await(t *testing.T, id string) *operationpb.Operation {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		op := w.operation(t, id)
		if op.GetDone() || time.Now().After(deadline) {
			return op
		}
	}
}

func TestPlannedDeletionComesDue(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	byDefault, dated, cloud := w.newTree(t), w.newTree(t), w.newTree(t)
	when := w.clock.now().Add(2 * time.Hour).Truncate(time.Second)
	plan := map[string]*operationpb.Operation{
		byDefault.folder: call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: byDefault.folder}, new(operationpb.Operation)),
		dated.folder:     call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: dated.folder, DeleteAfter: timestamppb.New(when)}, new(operationpb.Operation)),
		cloud.cloud:      call(t, w.owner, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: cloud.cloud, DeleteAfter: timestamppb.New(when)}, new(operationpb.Operation)),
	}
	for id, op := range plan {
		if op.GetDone() || op.GetResult() != nil || idIn(t, op) != id {
			t.Errorf("a planned deletion answers %v", op)
		}
	}
	meta := new(rmpb.DeleteFolderMetadata)
	if err := plan[byDefault.folder].GetMetadata().UnmarshalTo(meta); err != nil {
		t.Fatal(err)
	}
	if in := meta.GetDeleteAfter().AsTime().Sub(w.clock.now()); in > 24*time.Hour || in < 24*time.Hour-time.Minute {
		t.Errorf("without delete_after the deletion is due in %v, want 24 h", in)
	}
	for _, id := range []string{byDefault.folder, dated.folder, cloud.folder} {
		if s := w.folderStatus(t, id); s != rmpb.Folder_PENDING_DELETION {
			t.Errorf("status %v, want PENDING_DELETION", s)
		}
		w.owner.refuse(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: id, Name: "late"}, codes.FailedPrecondition, "is being deleted")
	}
	w.owner.refuse(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: cloud.cloud, Name: "late"}, codes.FailedPrecondition, "is being deleted")
	w.owner.refuse(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: dated.folder}, codes.FailedPrecondition, plan[dated.folder].GetId())
	alive(t, "while its folder waits", dated.token, cloud.token)
	w.clock.add(2*time.Hour - time.Minute)
	time.Sleep(1200 * time.Millisecond)
	if w.operation(t, plan[dated.folder].GetId()).GetDone() {
		t.Error("deleted before its time")
	}
	w.clock.add(2 * time.Minute)
	for _, id := range []string{dated.folder, cloud.cloud} {
		op := w.await(t, plan[id].GetId())
		if !op.GetDone() || op.GetError() != nil {
			t.Fatalf("the due deletion has not come: %v", op)
		}
		response(t, op, new(emptypb.Empty))
	}
	dead(t, "deleted", "", dated.token, cloud.token)
	w.owner.refuse(t, "folder.Get", &rmpb.GetFolderRequest{FolderId: dated.folder}, codes.NotFound, "not found")
	w.owner.refuse(t, "cloud.Get", &rmpb.GetCloudRequest{CloudId: cloud.cloud}, codes.NotFound, "not found")
	if s := w.folderStatus(t, byDefault.folder); s != rmpb.Folder_PENDING_DELETION {
		t.Errorf("another's time has come too: %v", s)
	}
	var lines []string
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Type: "resourcemanager.DeleteFolder", Resource: dated.folder}) {
		lines = append(lines, l.Status)
	}
	if got := strings.Join(lines, " "); !strings.HasPrefix(got, "STARTED") || !strings.HasSuffix(got, "DONE") {
		t.Errorf("a planned deletion is told as %s, want STARTED and DONE", got)
	}
}

func TestPlannedDeletionIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	n := w.newTree(t)
	second := w.owner.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: n.cloud, Name: "second"})
	fine := timestamppb.New(w.clock.now().Add(24 * time.Hour).Truncate(time.Second).Add(123456789)) // finer than what is kept
	ofFolder := call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: n.folder, DeleteAfter: fine}, new(operationpb.Operation))
	planned := new(rmpb.DeleteFolderMetadata)
	if err := ofFolder.GetMetadata().UnmarshalTo(planned); err != nil {
		t.Fatal(err)
	}
	ofCloud := call(t, w.owner, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: n.cloud}, new(operationpb.Operation))
	editor := w.robot(t, "editor", "editor")
	cancel := func(c *caller, id string) answer {
		return c.do(t, "op.Cancel", &operationpb.CancelOperationRequest{OperationId: id}, new(operationpb.Operation))
	}
	expect := func(first, other rmpb.Folder_Status) {
		t.Helper()
		if a, b := w.folderStatus(t, n.folder), w.folderStatus(t, second); a != first || b != other {
			t.Errorf("statuses %v and %v, want %v and %v", a, b, first, other)
		}
	}
	expect(rmpb.Folder_PENDING_DELETION, rmpb.Folder_PENDING_DELETION)
	if a := cancel(editor, ofCloud.GetId()); a.code != codes.NotFound { // no role on that cloud: the operation is not shown
		t.Errorf("cancelled by one without rights: %v %s", a.code, a.message)
	}
	w.bind(t, "cloud", n.cloud, add("viewer", editor.id))
	if a := cancel(editor, ofCloud.GetId()); a.code != codes.PermissionDenied {
		t.Errorf("cancelled by a viewer: %v %s", a.code, a.message)
	}
	if a := cancel(w.owner, ofCloud.GetId()); a.code != codes.OK {
		t.Fatalf("%v %s", a.code, a.message)
	}
	expect(rmpb.Folder_PENDING_DELETION, rmpb.Folder_ACTIVE) // the first waits on its own account
	if a := cancel(w.owner, ofFolder.GetId()); a.code != codes.OK {
		t.Fatalf("%v %s", a.code, a.message)
	}
	expect(rmpb.Folder_ACTIVE, rmpb.Folder_ACTIVE)
	op := w.operation(t, ofFolder.GetId())
	meta := new(rmpb.DeleteFolderMetadata)
	if err := op.GetMetadata().UnmarshalTo(meta); err != nil {
		t.Fatal(err)
	}
	if !op.GetDone() || op.GetError().GetCode() != int32(codes.Canceled) || meta.GetCancelledBy() != w.home.ServiceAccountID || meta.GetCancelledAt() == nil {
		t.Errorf("a cancelled operation: %v", op)
	}
	if a, b := planned.GetDeleteAfter().AsTime(), meta.GetDeleteAfter().AsTime(); !a.Equal(b) {
		t.Errorf("planned for %v, cancelled when planned for %v", a, b)
	}
	// Cancelling what is done gives it back, and changes nothing.
	if a := cancel(w.owner, ofFolder.GetId()); a.code != codes.OK {
		t.Errorf("cancelled twice: %v %s", a.code, a.message)
	}
	w.clock.add(25 * time.Hour)
	w.owner = w.exchange(t, []byte(w.home.KeyFile))
	time.Sleep(1200 * time.Millisecond)
	expect(rmpb.Folder_ACTIVE, rmpb.Folder_ACTIVE)
	// Planned again, then at once: the first plan's operation is done with it.
	again := call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: n.folder}, new(operationpb.Operation))
	w.owner.operate(t, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: n.cloud, DeleteAfter: timestamppb.New(past)})
	if op := w.operation(t, again.GetId()); !op.GetDone() || op.GetResponse() == nil {
		t.Errorf("the plan of what is gone already: %v", op)
	}
	if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: "operation.CancelOperation"})); n != 4 {
		t.Errorf("%d audit lines of cancelling, want 2 refusals and 2 changes", n)
	}
}
