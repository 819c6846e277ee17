package cloudapi_test

import (
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/server"
)

// line is the one audit line of a call.
func (w *world) line(t *testing.T, a answer) auditLine {
	t.Helper()
	all := w.auditByRequest(t)[a.requestID]
	if len(all) != 1 {
		t.Fatalf("%d audit lines, want 1", len(all))
	}
	return all[0]
}

func pathOf(l auditLine) string {
	var b strings.Builder
	for _, p := range l.Resource.Path {
		b.WriteString("/" + p.Type + ":" + p.ID)
	}
	return b.String()
}

func TestAuditLinesTellWhoWhatWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/organization-manager.organization:" + w.home.OrganizationID + "/resource-manager.cloud:" + w.home.CloudID + "/resource-manager.folder:" + w.home.FolderID
	account := w.newAccount(t, "account")
	member, stranger := w.robot(t, "member"), w.exchange(t, w.Key)
	on := path + "/iam.serviceAccount:" + account
	for _, c := range []struct {
		by        *caller
		method    string
		req       proto.Message
		code      codes.Code
		event, on string
		detail    string // name of one that must be there
	}{
		{w.owner, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "made"}, codes.OK, "iam.CreateServiceAccount", path, "service_account_name"},
		{w.owner, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: account}, codes.OK, "iam.SuspendServiceAccount", on, "service_account_id"},
		{w.owner, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: account}, codes.OK, "iam.ReactivateServiceAccount", on, "service_account_id"},
		{w.owner, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: account}, codes.OK, "iam.CreateKey", on, "service_account_name"},
		{w.owner, "key.Update", &iampb.UpdateKeyRequest{KeyId: w.plantKey(t, account)}, codes.OK, "iam.UpdateKey", on, "service_account_name"},
		{w.owner, "key.Delete", &iampb.DeleteKeyRequest{KeyId: w.plantKey(t, account)}, codes.OK, "iam.DeleteKey", on, "service_account_name"},
		{w.owner, "token.CreateForServiceAccount", impersonation(account), codes.OK, "iam.CreateIamToken", on, "iam_token_id"},
		{w.owner, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "made"}, codes.AlreadyExists, "iam.CreateServiceAccount", path, "service_account_name"},
		{w.owner, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "Bad Name"}, codes.InvalidArgument, "iam.CreateServiceAccount", "", ""},
		{member, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: account}, codes.PermissionDenied, "iam.GetServiceAccount", on, ""},
		{member, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: account}, codes.PermissionDenied, "iam.DeleteServiceAccount", on, ""},
		{stranger, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: account}, codes.NotFound, "iam.GetServiceAccount", on, ""},
		{stranger, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: w.home.FolderID}, codes.NotFound, "resourcemanager.DeleteFolder", path, ""},
		{w.withToken(t, "garbage"), "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: account}, codes.Unauthenticated, "iam.GetServiceAccount", "", ""},
	} {
		into := newMessage(t, descriptorOf(t, fullMethod(c.method)).Output())
		a := c.by.do(t, c.method, c.req, into)
		if r, ok := into.(*iampb.CreateIamTokenResponse); ok {
			w.secret(r.GetIamToken())
		}
		if a.code != c.code {
			t.Errorf("%s: %v %s, want %v", c.method, a.code, a.message, c.code)
			continue
		}
		l := w.line(t, a)
		if l.EventType != "yandex.cloud.audit."+c.event || pathOf(l) != c.on || l.Error.Code != int(c.code) {
			t.Errorf("%s: line %s on %s, want %s on %s", c.method, l.EventType, pathOf(l), c.event, c.on)
		}
		if c.code != codes.OK && l.Error.Message != a.message {
			t.Errorf("%s: the line says %q, the answer %q", c.method, l.Error.Message, a.message)
		}
		if _, ok := l.Details[c.detail]; c.detail != "" && !ok {
			t.Errorf("%s: no detail %s in %s", c.method, c.detail, l.raw)
		}
		if l.Authentication.Authenticated != (c.code != codes.Unauthenticated) {
			t.Errorf("%s: %s", c.method, l.raw)
		}
	}
	checkLines := func(want int) {
		t.Helper()
		if now := w.audit(t.Context(), t, server.AuditListRequest{}); len(now) != want {
			t.Errorf("reads have left %d lines: %s", len(now)-want, now[len(now)-1].raw)
		}
	}
	waits := call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: w.home.FolderID}, new(operationpb.Operation))
	l := w.line(t, w.owner.do(t, "op.Cancel", &operationpb.CancelOperationRequest{OperationId: waits.GetId()}, new(operationpb.Operation)))
	if pathOf(l) != path {
		t.Errorf("a cancelled deletion is told on %s, want %s", pathOf(l), path)
	}
	before := len(w.audit(t.Context(), t, server.AuditListRequest{}))
	for range 3 { // reads that succeed, or ask for nonsense, leave no line
		w.owner.do(t, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: account}, new(iampb.ServiceAccount))
		w.owner.do(t, "sa.Get", &iampb.GetServiceAccountRequest{}, new(iampb.ServiceAccount))
		w.owner.do(t, "cloud.List", &rmpb.ListCloudsRequest{}, new(rmpb.ListCloudsResponse))
	}
	checkLines(before)
	// What is hidden and what is not there leave the same line.
	hidden := w.line(t, member.do(t, "op.Get", &operationpb.GetOperationRequest{OperationId: newFolderOperation(t, w, 1).GetId()}, new(operationpb.Operation)))
	absent := w.line(t, member.do(t, "op.Get", &operationpb.GetOperationRequest{OperationId: "ajenever"}, new(operationpb.Operation)))
	if hidden.EventType != absent.EventType || hidden.Error.Code != absent.Error.Code || pathOf(hidden) != pathOf(absent) {
		t.Errorf("hidden: %s\nabsent: %s", hidden.raw, absent.raw)
	}
}

// Garbage cannot buy disk: above a rate refusals are counted, and all are told.
func TestRefusalsOfNobodyAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const calls = 300
	together(calls, func(int) codes.Code {
		return codes.Code(w.Get(t, "garbage", "/resource-manager/v1/clouds").Code)
	})
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		told, lines := 0, 0
		for _, l := range w.audit(t.Context(), t, server.AuditListRequest{}) {
			switch {
			case l.EventType == "yandex.cloud.audit.resourcemanager.ListCloud":
				told, lines = told+1, lines+1
			case strings.HasSuffix(l.EventType, ".RefusedCalls"):
				told, lines = told+countIn(l), lines+1
			}
		}
		if told == calls && lines < calls {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d refusals are told, in %d lines", told, calls, lines)
		}
	}
}

func countIn(l auditLine) (n int) {
	text, _ := l.Details["count"].(string)
	for _, c := range text {
		n = n*10 + int(c-'0')
	}
	return n
}
