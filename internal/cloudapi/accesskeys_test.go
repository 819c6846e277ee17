package cloudapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

func init() {
	services["accessKey"] = "yandex.cloud.iam.v1.awscompatibility.AccessKeyService"
	areaRows = append(areaRows, accessKeyRows)
}

func accessKeyRows(*world) []row {
	account := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, _ int) proto.Message {
			return build(w.newAccount(t, "keyed-"+strings.ToLower(resource.NewID("n"))))
		}
	}
	key := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, _ int) proto.Message {
			return build(w.plantAccessKey(t, w.newAccount(t, "keyed-"+strings.ToLower(resource.NewID("n")))))
		}
	}
	return []row{
		{"accessKey.Get", "UND++++", key(func(id string) proto.Message { return &awspb.GetAccessKeyRequest{AccessKeyId: id} })},
		{"accessKey.List", "UND++++", account(func(id string) proto.Message { return &awspb.ListAccessKeysRequest{ServiceAccountId: id} })},
		{"accessKey.Create", "UNDD+++", account(func(id string) proto.Message { return &awspb.CreateAccessKeyRequest{ServiceAccountId: id} })},
		{"accessKey.Update", "UNDD+++", key(func(id string) proto.Message {
			return &awspb.UpdateAccessKeyRequest{AccessKeyId: id, UpdateMask: masked("description")}
		})},
		{"accessKey.Delete", "UNDD+++", key(func(id string) proto.Message { return &awspb.DeleteAccessKeyRequest{AccessKeyId: id} })},
		{"accessKey.ListOperations", "UND++++", key(func(id string) proto.Message {
			return &awspb.ListAccessKeyOperationsRequest{AccessKeyId: id}
		})},
	}
}

// plantAccessKey puts a static access key into the store whose secret nobody can open.
func (w *world) plantAccessKey(t *testing.T, accountID string) (id string) {
	t.Helper()
	id = resource.NewID(resource.PrefixIAM)
	w.update(t, func(tx *store.Tx) error {
		return store.InsertAccessKey(tx, &iam.AccessKey{ID: id, ServiceAccountID: accountID, KeyID: "YC" + id, CreatedAt: tx.Now()}, []byte("sealed"))
	})
	return id
}

// newAccessKey makes a static access key over gRPC.
func (w *world) newAccessKey(t *testing.T, by *caller, r *awspb.CreateAccessKeyRequest, pairs ...string) *awspb.CreateAccessKeyResponse {
	t.Helper()
	made := call(t, by, "accessKey.Create", r, new(awspb.CreateAccessKeyResponse), pairs...)
	w.secret(made.GetSecret())
	return made
}

func TestAccessKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "signer")
	self := w.impersonate(t, w.owner, id)
	made := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: id, Description: "for backups"})
	k := made.GetAccessKey()
	want := &awspb.AccessKey{Id: k.GetId(), KeyId: k.GetKeyId(), ServiceAccountId: id, Description: "for backups", CreatedAt: k.GetCreatedAt()}
	if d := cmp.Diff(want, k, protocmp.Transform()); d != "" || !strings.HasPrefix(k.GetId(), "aje") || len(k.GetId()) != 20 ||
		!strings.HasPrefix(k.GetKeyId(), "YC") || len(k.GetKeyId()) != 25 || len(made.GetSecret()) != 40 || k.GetCreatedAt() == nil {
		t.Errorf("made %v, a secret of %d characters\n%s", k, len(made.GetSecret()), d)
	}
	get := func() *awspb.AccessKey {
		t.Helper()
		return call(t, w.owner, "accessKey.Get", &awspb.GetAccessKeyRequest{AccessKeyId: k.GetId()}, new(awspb.AccessKey))
	}
	if d := cmp.Diff(want, get(), protocmp.Transform()); d != "" {
		t.Error(d)
	}
	// Its other id is not for this service.
	w.owner.refuse(t, "accessKey.Get", &awspb.GetAccessKeyRequest{AccessKeyId: k.GetKeyId()}, codes.NotFound, "Access key "+k.GetKeyId()+" not found")
	op := w.owner.operate(t, "accessKey.Update", &awspb.UpdateAccessKeyRequest{AccessKeyId: k.GetId(), UpdateMask: masked("description"), Description: "for archives"})
	want.Description = "for archives"
	same(t, "an update", response(t, op, new(awspb.AccessKey)), get(), want)
	op = w.owner.operate(t, "accessKey.Update", &awspb.UpdateAccessKeyRequest{AccessKeyId: k.GetId()})
	want.Description = ""
	same(t, "an update without a mask", response(t, op, new(awspb.AccessKey)), get(), want)
	for _, path := range []string{"key_id", "secret", "service_account_id", "id", ""} {
		w.owner.refuse(t, "accessKey.Update", &awspb.UpdateAccessKeyRequest{AccessKeyId: k.GetId(), UpdateMask: masked(path)}, codes.InvalidArgument, "update_mask")
	}
	w.owner.refuse(t, "accessKey.Create", &awspb.CreateAccessKeyRequest{ServiceAccountId: id, Description: strings.Repeat("d", 257)}, codes.InvalidArgument, "description")
	// Without an account a method means the caller, who may be a service account alone.
	self.refuse(t, "accessKey.Create", &awspb.CreateAccessKeyRequest{}, codes.PermissionDenied, "denied")
	w.bind(t, "sa", id, add("iam.serviceAccounts.accessKeyAdmin", id))
	if mine := w.newAccessKey(t, self, &awspb.CreateAccessKeyRequest{}); mine.GetAccessKey().GetServiceAccountId() != id {
		t.Errorf("a key for nobody named is for %s, want the caller", mine.GetAccessKey().GetServiceAccountId())
	}
	own := call(t, self, "accessKey.List", &awspb.ListAccessKeysRequest{}, new(awspb.ListAccessKeysResponse))
	if len(own.GetAccessKeys()) != 2 {
		t.Errorf("the caller's own keys: %v", own)
	}
	response(t, w.owner.operate(t, "accessKey.Delete", &awspb.DeleteAccessKeyRequest{AccessKeyId: k.GetId()}), new(emptypb.Empty))
	w.owner.refuse(t, "accessKey.Get", &awspb.GetAccessKeyRequest{AccessKeyId: k.GetId()}, codes.NotFound, "Access key "+k.GetId()+" not found")
}

func TestAccessKeysInAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.newAccount(t, "signer")
	k := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: account}).GetAccessKey()
	w.owner.operate(t, "accessKey.Update", &awspb.UpdateAccessKeyRequest{AccessKeyId: k.GetId(), Description: "x"})
	w.owner.operate(t, "accessKey.Delete", &awspb.DeleteAccessKeyRequest{AccessKeyId: k.GetId()})
	for _, event := range []string{"iam.CreateAccessKey", "iam.UpdateAccessKey", "iam.DeleteAccessKey"} {
		lines := w.audit(t.Context(), t, server.AuditListRequest{Type: event})
		want := map[string]any{"access_key_id": k.GetId(), "service_account_id": account, "service_account_name": "signer"}
		if len(lines) != 1 || !cmp.Equal(lines[0].Details, want) {
			t.Errorf("%s: %d lines, %v", event, len(lines), lines)
		}
	}
}

// The answer of Create cannot be repeated: the server shows a secret once.
func TestIdempotencyOfAccessKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := &awspb.CreateAccessKeyRequest{ServiceAccountId: w.newAccount(t, "signer")}
	made := w.newAccessKey(t, w.owner, req, keyHeader, "k")
	a := w.owner.refuse(t, "accessKey.Create", req, codes.AlreadyExists, made.GetAccessKey().GetId(), keyHeader, "k")
	if strings.Contains(a.message, made.GetAccessKey().GetKeyId()) {
		t.Errorf("the refusal of a replay: %s", a.message)
	}
	w.owner.refuse(t, "accessKey.Create", &awspb.CreateAccessKeyRequest{ServiceAccountId: req.ServiceAccountId, Description: "other"},
		codes.InvalidArgument, keyHeader, keyHeader, "k")
	if l := call(t, w.owner, "accessKey.List", &awspb.ListAccessKeysRequest{ServiceAccountId: req.ServiceAccountId}, new(awspb.ListAccessKeysResponse)); len(l.GetAccessKeys()) != 1 {
		t.Errorf("%d keys after a replay, want 1", len(l.GetAccessKeys()))
	}
	gone := &awspb.DeleteAccessKeyRequest{AccessKeyId: made.GetAccessKey().GetId()}
	if first, again := w.owner.operate(t, "accessKey.Delete", gone, keyHeader, "d"), w.owner.operate(t, "accessKey.Delete", gone, keyHeader, "d"); !proto.Equal(first, again) {
		t.Errorf("the replay of a deletion is another operation: %v, %v", first, again)
	}
}

func TestAccessKeysOverREST(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const base = "/iam/aws-compatibility/v1/accessKeys"
	account := w.newAccount(t, "signer")
	var made struct {
		AccessKey map[string]any
		Secret    string
	}
	r := w.Do(t, "POST", w.owner.token, base, map[string]string{"serviceAccountId": account, "description": "d"})
	if r.Decode(t, &made); r.Code != 200 || len(w.secret(made.Secret)) != 40 || made.AccessKey["serviceAccountId"] != account || made.AccessKey["description"] != "d" {
		t.Fatalf("%d %v", r.Code, made.AccessKey)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a secret may be cached: %v", r.Header)
	}
	id := made.AccessKey["id"].(string)
	var got map[string]any
	w.Get(t, w.owner.token, base+"/"+id).Decode(t, &got)
	if d := cmp.Diff(made.AccessKey, got); d != "" || strings.Contains(string(w.Get(t, w.owner.token, base+"/"+id).Body), made.Secret) {
		t.Error(d)
	}
	var list struct{ AccessKeys []map[string]any }
	w.Get(t, w.owner.token, base+"?serviceAccountId="+account).Decode(t, &list)
	if len(list.AccessKeys) != 1 || !cmp.Equal(list.AccessKeys[0], got) {
		t.Errorf("list %v", list)
	}
	for _, step := range []struct {
		verb, path string
		body       any
	}{
		{"PATCH", base + "/" + id, map[string]string{"updateMask": "description", "description": "e"}},
		{"GET", base + "/" + id + "/operations", nil},
		{"DELETE", base + "/" + id, nil},
	} {
		r := w.Do(t, step.verb, w.owner.token, step.path, step.body)
		if r.Code != 200 || !json.Valid(r.Body) || !strings.Contains(string(r.Body), id) {
			t.Errorf("%s %s: %d %s", step.verb, step.path, r.Code, r.Body)
		}
	}
	if r := w.Get(t, w.owner.token, base+"/"+id); r.Code != 404 {
		t.Errorf("deleted: %d %s", r.Code, r.Body)
	}
}

// A policy takes the right from everybody, whichever door and way.
func TestPolicyAgainstAccessKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.newAccount(t, "signer")
	req := &awspb.CreateAccessKeyRequest{ServiceAccountId: account}
	for _, template := range []string{"iam.denyServiceAccountAccessKeysCreation", "iam.denyServiceAccountCredentialsCreation"} {
		w.deny(t, "folder", w.home.FolderID, template)
		w.owner.refuse(t, "accessKey.Create", req, codes.PermissionDenied, "denied")
		self := w.impersonate(t, w.owner, account)
		self.refuse(t, "accessKey.Create", &awspb.CreateAccessKeyRequest{}, codes.PermissionDenied, "denied")
		if r := w.Do(t, "POST", w.owner.token, "/iam/aws-compatibility/v1/accessKeys", map[string]string{"serviceAccountId": account}); r.Code != 403 {
			t.Errorf("%s over REST: %d %s", template, r.Code, r.Body)
		}
		w.allow(t, "folder", w.home.FolderID, template)
		w.newAccessKey(t, w.owner, req)
	}
	w.deny(t, "folder", w.home.FolderID, "iam.denyServiceAccountAuthorizedKeysCreation") // which is about other keys
	w.newAccessKey(t, w.owner, req)
}

// What AWS clients send is refused by IAM's own API with a text that says what
// it was and quotes nothing of it.
func TestStaticKeysAreNoTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: w.newAccount(t, "signer")})
	for header, text := range map[string]string{
		"Bearer " + made.GetSecret(): "a static access key's secret",
		"AWS4-HMAC-SHA256 Credential=" + made.GetAccessKey().GetKeyId() + "/20261101/ru-central1/iam/aws4_request, SignedHeaders=host, Signature=00": "an AWS signature",
	} {
		r := w.Do(t, "GET", "", "/resource-manager/v1/clouds", nil, "Authorization", header)
		if r.Code != 401 || !strings.Contains(string(r.Body), text) || strings.Contains(string(r.Body), made.GetAccessKey().GetKeyId()) {
			t.Errorf("%.8s: %d %s", header, r.Code, r.Body)
		}
	}
}

// Deleting an account deletes its keys, and their operations are nobody's.
func TestAccessKeysGoWithTheirAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.newAccount(t, "signer")
	k := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: account}).GetAccessKey()
	call(t, w.owner, "accessKey.Get", &awspb.GetAccessKeyRequest{AccessKeyId: k.GetId()}, new(awspb.AccessKey)) // remembered
	op := w.owner.operate(t, "accessKey.Update", &awspb.UpdateAccessKeyRequest{AccessKeyId: k.GetId(), Description: "x"})
	viewer := w.robot(t, "viewer", "viewer")
	if got := w.operation(t, op.GetId()); !proto.Equal(got, op) {
		t.Errorf("operation %v, want %v", got, op)
	}
	find := set(newMessage(t, descriptorOf(t, fullMethod("op.Get")).Input()), "operation_id", op.GetId())
	if a := viewer.do(t, "op.Get", find, newMessage(t, descriptorOf(t, fullMethod("op.Get")).Output())); a.code != codes.OK {
		t.Errorf("who may list a key's operations does not see one: %v %s", a.code, a.message)
	}
	w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: account})
	w.owner.refuse(t, "accessKey.Get", &awspb.GetAccessKeyRequest{AccessKeyId: k.GetId()}, codes.NotFound, "Access key "+k.GetId()+" not found")
	viewer.refuse(t, "op.Get", find, codes.NotFound, "not found")
}

// A secret is kept sealed: no row, file or feed entry shows it.
func TestSecretsOfAccessKeysAreSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: w.newAccount(t, "signer")})
	var row *store.SealedAccessKey
	if err := w.Server.Server.DB().View(t.Context(), func(tx *store.Tx) (err error) {
		row, err = store.FindAccessKey(tx, made.GetAccessKey().GetKeyId())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(row.Sealed) < 100 || strings.Contains(string(row.Sealed), made.GetSecret()) || strings.Contains(string(row.Sealed), made.GetSecret()[:8]) {
		t.Errorf("%d bytes at rest", len(row.Sealed))
	}
	if row.CreatedAt.After(time.Now()) || row.ID != made.GetAccessKey().GetId() {
		t.Errorf("row %+v", row.AccessKey)
	}
}
