package cloudapi_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
)

const keyHeader = "idempotency-key"

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner
	request := &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "once", Description: "d"}
	first := o.operate(t, "sa.Create", request, keyHeader, "k1")
	lines := len(w.audit(t.Context(), t, server.AuditListRequest{}))
	for range 3 {
		if d := cmp.Diff(first, o.operate(t, "sa.Create", request, keyHeader, "k1"), protocmp.Transform()); d != "" {
			t.Errorf("a replay gives another operation:\n%s", d)
		}
	}
	if r := w.Do(t, "POST", o.token, "/iam/v1/serviceAccounts", map[string]string{"folderId": w.home.FolderID, "name": "once", "description": "d"},
		"Idempotency-Key", "k1"); r.Code != 200 || !strings.Contains(string(r.Body), first.GetId()) {
		t.Errorf("a replay through the other door: %d %s", r.Code, r.Body)
	}
	if now := len(w.audit(t.Context(), t, server.AuditListRequest{})); now != lines {
		t.Errorf("replays have left %d audit lines", now-lines)
	}
	other := proto.Clone(request).(*iampb.CreateServiceAccountRequest)
	other.Description = "another"
	if a := o.refuse(t, "sa.Create", other, codes.InvalidArgument, "another request", keyHeader, "k1"); !cmp.Equal(a.fields(), []string{keyHeader}) {
		t.Errorf("fields %v, want the key", a.fields())
	}
	// A key belongs to a subject and a method.
	o.operate(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "once"}, keyHeader, "k1")
	editor := w.robot(t, "editor", "editor")
	editor.refuse(t, "sa.Create", request, codes.AlreadyExists, "once", keyHeader, "k1")
	// A refused change claims no key.
	o.refuse(t, "sa.Create", request, codes.AlreadyExists, "once", keyHeader, "k2")
	o.operate(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "after-refusal"}, keyHeader, "k2")
	// Reads and IamTokenService pass it over, whatever it is.
	for range 2 {
		for _, name := range []string{w.home.FolderID, first.GetId()} {
			o.do(t, "folder.Get", &rmpb.GetFolderRequest{FolderId: name}, new(rmpb.Folder), keyHeader, "k1")
		}
		call(t, o, "folder.Get", &rmpb.GetFolderRequest{FolderId: w.home.FolderID}, new(rmpb.Folder), keyHeader, strings.Repeat("k", 1000))
		one := call(t, w.withToken(t, ""), "token.Create", jwtRequest(t, w), new(iampb.CreateIamTokenResponse), keyHeader, "k1")
		two := call(t, o, "token.CreateForServiceAccount", &iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: editor.id}, new(iampb.CreateIamTokenResponse), keyHeader, "k1")
		w.secret(two.GetIamToken())
		call(t, o, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: w.secret(one.GetIamToken())}, new(iampb.RevokeIamTokenResponse), keyHeader, "k1")
	}
	for _, bad := range []string{strings.Repeat("k", 129), "two words"} {
		o.refuse(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "never"}, codes.InvalidArgument, keyHeader, keyHeader, bad)
	}
	o.operate(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "longest"}, keyHeader, strings.Repeat("k", 128))
}

// The answer of Key.Create cannot be repeated, as the server has forgotten it.
func TestIdempotencyOfSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	req := &iampb.CreateKeyRequest{ServiceAccountId: id}
	made := call(t, w.owner, "key.Create", req, new(iampb.CreateKeyResponse), keyHeader, "k")
	w.secret(made.GetPrivateKey())
	w.owner.refuse(t, "key.Create", req, codes.AlreadyExists, made.GetKey().GetId(), keyHeader, "k")
	w.owner.refuse(t, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: id, Description: "other"}, codes.InvalidArgument, keyHeader, keyHeader, "k")
	if l := call(t, w.owner, "key.List", &iampb.ListKeysRequest{ServiceAccountId: id}, new(iampb.ListKeysResponse)); len(l.GetKeys()) != 1 {
		t.Errorf("%d keys after a replay, want 1", len(l.GetKeys()))
	}
}

// TestReplayOfADeletion: the target is gone, the operation is not. The replay
// is for who made the call alone.
func TestReplayOfADeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.newAccount(t, "going")
	folder, key := w.newFolder(t, "going"), w.plantKey(t, w.home.ServiceAccountID)
	cloud := w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "going"})
	admin := w.robot(t, "admin", "admin")
	for method, req := range map[string]proto.Message{
		"sa.Delete":     &iampb.DeleteServiceAccountRequest{ServiceAccountId: account},
		"key.Delete":    &iampb.DeleteKeyRequest{KeyId: key},
		"folder.Delete": &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(past)},
		"cloud.Delete":  &rmpb.DeleteCloudRequest{CloudId: cloud, DeleteAfter: timestamppb.New(past)},
	} {
		first := w.owner.operate(t, method, req, keyHeader, "k")
		again := w.owner.operate(t, method, req, keyHeader, "k")
		if !proto.Equal(first, again) {
			t.Errorf("%s: the replay is another operation: %v, %v", method, first, again)
		}
		w.owner.refuse(t, method, req, codes.NotFound, "not found", keyHeader, "other")
		w.owner.refuse(t, method, req, codes.NotFound, "not found")
		admin.refuse(t, method, req, codes.NotFound, "not found", keyHeader, "k")
		moved := set(proto.Clone(req), string(req.ProtoReflect().Descriptor().Fields().Get(0).Name()), "ajenever0000000000000")
		w.owner.refuse(t, method, moved, codes.InvalidArgument, "another request", keyHeader, "k")
	}
}

// A replay is permitted again: who has lost the right learns nothing more.
func TestReplayIsPermittedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	editor := w.robot(t, "editor", "editor")
	req := &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "mine"}
	editor.operate(t, "sa.Create", req, keyHeader, "k")
	w.bind(t, "cloud", w.home.CloudID, remove("editor", editor.id))
	editor.refuse(t, "sa.Create", req, codes.PermissionDenied, "denied", keyHeader, "k")
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: editor.id})
	editor.refuse(t, "sa.Create", req, codes.Unauthenticated, "revoked", keyHeader, "k")
}

func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const callers = 16
	req := &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "once"}
	ops := make([]operationpb.Operation, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			if a := w.owner.do(t, "folder.Create", req, &ops[i], keyHeader, "k"); a.code != codes.OK {
				t.Errorf("%v %s", a.code, a.message)
			}
		})
	}
	all.Wait()
	for i := range ops {
		if ops[i].GetId() != ops[0].GetId() {
			t.Errorf("operations %s and %s of one key", ops[0].GetId(), ops[i].GetId())
		}
	}
	if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: "resourcemanager.CreateFolder"})); n != 1 {
		t.Errorf("%d audit lines of one creation", n)
	}
}

func TestIdempotencyKeysLiveADay(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	folder := func(n int) *rmpb.CreateFolderRequest {
		return &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: fmt.Sprintf("f-%d", n)}
	}
	first := w.owner.operate(t, "folder.Create", folder(0), keyHeader, "k")
	for _, plus := range []time.Duration{11 * time.Hour, 11 * time.Hour, 2*time.Hour - time.Minute} {
		w.clock.add(plus)
		w.owner = w.exchange(t, []byte(w.home.KeyFile))
		if again := w.owner.operate(t, "folder.Create", folder(0), keyHeader, "k"); again.GetId() != first.GetId() {
			t.Errorf("a key is forgotten within a day")
		}
	}
	w.clock.add(2 * time.Minute)
	w.owner.refuse(t, "folder.Create", folder(0), codes.AlreadyExists, "f-0", keyHeader, "k")
	if second := w.owner.operate(t, "folder.Create", folder(1), keyHeader, "k"); second.GetId() == first.GetId() {
		t.Errorf("a key lives longer than a day")
	}
}
