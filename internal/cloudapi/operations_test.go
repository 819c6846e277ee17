package cloudapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestWhoSeesOperations: the creator for ever; others as long as the resource
// lives and they may list its operations.
func TestWhoSeesOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	editor, viewer, member := w.robot(t, "editor", "editor"), w.robot(t, "viewer", "viewer"), w.robot(t, "member")
	stranger := w.exchange(t, w.Key)
	account := w.newAccount(t, "account")
	key, apiKey := w.plantKey(t, account), w.plantAPIKey(t, account)
	get := func(c *caller, id string) codes.Code {
		t.Helper()
		return c.do(t, "op.Get", &operationpb.GetOperationRequest{OperationId: id}, new(operationpb.Operation)).code
	}
	for what, op := range map[string]*operationpb.Operation{
		"of an account": editor.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: account, UpdateMask: masked("description"), Description: "x"}),
		"of a key":      editor.operate(t, "key.Update", &iampb.UpdateKeyRequest{KeyId: key, Description: "x"}),
		"of an API key": editor.operate(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: apiKey, UpdateMask: masked("description"), Description: "x"}),
	} {
		for who, c := range map[string]struct {
			*caller
			want codes.Code
		}{"creator": {editor, codes.OK}, "viewer": {viewer, codes.OK}, "owner": {w.owner, codes.OK}, "member": {member, codes.NotFound}, "stranger": {stranger, codes.NotFound}} {
			if got := get(c.caller, op.GetId()); got != c.want {
				t.Errorf("an operation %s for the %s: %v, want %v", what, who, got, c.want)
			}
		}
		if d := cmp.Diff(op, w.operation(t, op.GetId()), protocmp.Transform()); d != "" {
			t.Errorf("%s: Get shows another operation than the change answered:\n%s", what, d)
		}
	}
	gone := editor.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: account})
	if a, b := get(editor, gone.GetId()), get(w.owner, gone.GetId()); a != codes.OK || b != codes.NotFound {
		t.Errorf("the operation that deleted its resource: %v for its creator, %v for others", a, b)
	}
	editor.refuse(t, "sa.ListOperations", &iampb.ListServiceAccountOperationsRequest{ServiceAccountId: account}, codes.NotFound, "not found")
	if a := w.owner.do(t, "op.Cancel", &operationpb.CancelOperationRequest{OperationId: gone.GetId()}, new(operationpb.Operation)); a.code != codes.NotFound {
		t.Errorf("Cancel of what is not shown: %v", a.code)
	}
	if a := editor.do(t, "op.Cancel", &operationpb.CancelOperationRequest{OperationId: gone.GetId()}, new(operationpb.Operation)); a.code != codes.OK {
		t.Errorf("Cancel of what is done: %v %s", a.code, a.message)
	}
}

func TestOperationsAreNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account, other := w.newAccount(t, "account"), w.newAccount(t, "other")
	var want []string
	for range 4 {
		op := w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: account, UpdateMask: masked("description"), Description: "x"})
		want = append([]string{op.GetId()}, want...)
		w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: other})
	}
	l := call(t, w.owner, "sa.ListOperations", &iampb.ListServiceAccountOperationsRequest{ServiceAccountId: account}, new(iampb.ListServiceAccountOperationsResponse))
	var got []string
	for _, op := range l.GetOperations() {
		got = append(got, op.GetId())
	}
	if len(got) != 5 || !cmp.Equal(got[:4], want) {
		t.Errorf("operations %v, want %v and the creation", got, want)
	}
}

// keysOf are the names in a JSON object, sorted.
func keysOf(t *testing.T, text []byte) []string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(m))
}

// TestJSONShapes compares answers with those that the API's documentation shows.
func TestJSONShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var clouds struct{ Clouds []json.RawMessage }
	w.Get(t, w.owner.token, "/resource-manager/v1/clouds").Decode(t, &clouds)
	if len(clouds.Clouds) != 1 || !cmp.Equal(keysOf(t, clouds.Clouds[0]), []string{"createdAt", "id", "name", "organizationId"}) {
		t.Errorf("clouds: %s", clouds.Clouds)
	}
	var token struct{ IamToken, ExpiresAt string }
	r := w.Do(t, "POST", "", "/iam/v1/tokens", map[string]string{"jwt": w.jwt(t, w.Key)})
	r.Decode(t, &token)
	w.secret(token.IamToken)
	if !cmp.Equal(keysOf(t, r.Body), []string{"expiresAt", "iamToken"}) || strings.Count(token.IamToken, ".") != 2 || !strings.HasPrefix(token.IamToken, "t1.") {
		t.Errorf("token: %s", keysOf(t, r.Body))
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a token may be cached: %v", r.Header)
	}
	r = w.Do(t, "POST", w.owner.token, "/iam/v1/serviceAccounts", map[string]string{"folderId": w.home.FolderID, "name": "shape"})
	if !cmp.Equal(keysOf(t, r.Body), []string{"createdAt", "createdBy", "description", "done", "id", "metadata", "modifiedAt", "response"}) {
		t.Errorf("operation: %s", r.Body)
	}
	if !strings.Contains(string(r.Body), `"@type":"type.googleapis.com/yandex.cloud.iam.v1.CreateServiceAccountMetadata"`) {
		t.Errorf("operation: %s", r.Body)
	}
	r = w.Get(t, w.owner.token, "/iam/v1/serviceAccounts?folderId="+w.newFolder(t, "empty"))
	if string(r.Body) != "{}" {
		t.Errorf("an empty list: %s", r.Body)
	}
	r = w.Get(t, "garbage", "/resource-manager/v1/clouds")
	if r.Code != 401 || !cmp.Equal(keysOf(t, r.Body), []string{"code", "details", "message"}) {
		t.Errorf("an error: %d %s", r.Code, r.Body)
	}
}
