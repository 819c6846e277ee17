package cloudapi_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func masked(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

// same compares what an operation answered with what Get shows afterwards and
// with what is wanted.
func same(t *testing.T, what string, answered, got, want proto.Message) {
	t.Helper()
	if d := cmp.Diff(got, answered, protocmp.Transform()); d != "" {
		t.Errorf("%s: the operation's response differs from Get (-get +response):\n%s", what, d)
	}
	if d := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(want, "created_at")); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
	f := got.ProtoReflect().Descriptor().Fields().ByName("created_at")
	at := got.ProtoReflect().Get(f).Message().Interface().(*timestamppb.Timestamp)
	if age := time.Since(at.AsTime()); age < 0 || age > time.Minute || at.GetNanos() != 0 {
		t.Errorf("%s: created_at %v is not now in whole seconds", what, at.AsTime())
	}
}

func TestServiceAccountFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner
	labels := map[string]string{"env": "test", "empty": ""}
	tomorrow := timestamppb.New(time.Now().Add(24 * time.Hour).Add(123456789))
	stored := timestamppb.New(tomorrow.AsTime().Truncate(time.Microsecond))
	get := func(id string) *iampb.ServiceAccount {
		return call(t, o, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: id}, new(iampb.ServiceAccount))
	}
	op := o.operate(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "bare"})
	bare := idIn(t, op)
	same(t, "bare", response(t, op, new(iampb.ServiceAccount)), get(bare),
		&iampb.ServiceAccount{Id: bare, FolderId: w.home.FolderID, Name: "bare", Status: iampb.ServiceAccount_ACTIVE})
	op = o.operate(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "full", Description: "описание", Labels: labels, ExpiresAt: tomorrow})
	id := idIn(t, op)
	want := &iampb.ServiceAccount{Id: id, FolderId: w.home.FolderID, Name: "full", Description: "описание", Labels: labels,
		Status: iampb.ServiceAccount_ACTIVE, ExpiresAt: stored}
	same(t, "full", response(t, op, new(iampb.ServiceAccount)), get(id), want)
	for _, step := range []struct {
		what   string
		req    *iampb.UpdateServiceAccountRequest
		change func()
	}{
		{"description alone; name not demanded", &iampb.UpdateServiceAccountRequest{UpdateMask: masked("description"), Description: "new", Name: ""},
			func() { want.Description = "new" }},
		{"what the mask does not name stays", &iampb.UpdateServiceAccountRequest{UpdateMask: masked("labels"), Description: "ignored", Name: "ignored", Labels: map[string]string{"a": "b"}},
			func() { want.Labels = map[string]string{"a": "b"} }},
		{"a masked field may be emptied", &iampb.UpdateServiceAccountRequest{UpdateMask: masked("description", "expires_at")},
			func() { want.Description, want.ExpiresAt = "", nil }},
		{"name", &iampb.UpdateServiceAccountRequest{UpdateMask: masked("name"), Name: "renamed"}, func() { want.Name = "renamed" }},
		{"the same path twice", &iampb.UpdateServiceAccountRequest{UpdateMask: masked("name", "name"), Name: "twice"}, func() { want.Name = "twice" }},
		{"its own name again", &iampb.UpdateServiceAccountRequest{UpdateMask: masked("name"), Name: "twice"}, func() {}},
		{"no mask writes all", &iampb.UpdateServiceAccountRequest{Name: "all", Description: "d", Labels: labels, ExpiresAt: tomorrow},
			func() { want.Name, want.Description, want.Labels, want.ExpiresAt = "all", "d", labels, stored }},
		{"no mask resets the rest", &iampb.UpdateServiceAccountRequest{Name: "all"}, func() { want.Description, want.Labels, want.ExpiresAt = "", nil, nil }},
		{"an empty mask is none", &iampb.UpdateServiceAccountRequest{Name: "empty-mask", UpdateMask: masked()}, func() { want.Name = "empty-mask" }},
	} {
		step.req.ServiceAccountId = id
		step.change()
		same(t, step.what, response(t, o.operate(t, "sa.Update", step.req), new(iampb.ServiceAccount)), get(id), want)
	}
	yesterday := timestamppb.New(time.Now().Add(-time.Hour))
	for what, c := range map[string]struct {
		req   *iampb.UpdateServiceAccountRequest
		code  codes.Code
		field string
	}{
		"unknown path":      {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("nonsense")}, codes.InvalidArgument, "update_mask"},
		"identity":          {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("service_account_id")}, codes.InvalidArgument, "update_mask"},
		"the mask itself":   {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("update_mask")}, codes.InvalidArgument, "update_mask"},
		"below a map":       {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("labels.env")}, codes.InvalidArgument, "update_mask"},
		"empty path":        {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("")}, codes.InvalidArgument, "update_mask"},
		"star":              {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("*")}, codes.InvalidArgument, "update_mask"},
		"huge":              {&iampb.UpdateServiceAccountRequest{UpdateMask: masked(strings.Repeat("x", 100_000))}, codes.InvalidArgument, "update_mask"},
		"name in the mask":  {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("name")}, codes.InvalidArgument, "name"},
		"no mask, no name":  {&iampb.UpdateServiceAccountRequest{}, codes.InvalidArgument, "name"},
		"taken name":        {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("name"), Name: "bare"}, codes.AlreadyExists, ""},
		"expired already":   {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("expires_at"), ExpiresAt: yesterday}, codes.InvalidArgument, "expires_at"},
		"time out of range": {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("expires_at"), ExpiresAt: &timestamppb.Timestamp{Seconds: 1 << 50}}, codes.InvalidArgument, "expires_at"},
		"time malformed":    {&iampb.UpdateServiceAccountRequest{UpdateMask: masked("expires_at"), ExpiresAt: &timestamppb.Timestamp{Seconds: 4e9, Nanos: -5}}, codes.InvalidArgument, "expires_at"},
	} {
		c.req.ServiceAccountId = id
		if a := o.refuse(t, "sa.Update", c.req, c.code, ""); !slices.Contains(append(a.fields(), ""), c.field) {
			t.Errorf("%s: fields %v, want %s: %s", what, a.fields(), c.field, a.message)
		}
	}
	if d := cmp.Diff(want, get(id), protocmp.Transform(), protocmp.IgnoreFields(want, "created_at")); d != "" {
		t.Errorf("a refused update has changed something:\n%s", d)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner
	other := w.newFolder(t, "other")
	second := o.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "same"})
	far := o.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: second, Name: "other"}) // free in another cloud
	account := func(folder, name string) proto.Message {
		return &iampb.CreateServiceAccountRequest{FolderId: folder, Name: name}
	}
	o.create(t, "sa.Create", account(w.home.FolderID, "robot"))
	o.create(t, "sa.Create", account(far, "robot"))
	o.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "same"}) // clouds need not differ
	o.refuse(t, "sa.Create", account(other, "robot"), codes.AlreadyExists, "robot")                            // unique in the cloud, not the folder
	o.refuse(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "other"}, codes.AlreadyExists, "other")
	o.refuse(t, "folder.Update", &rmpb.UpdateFolderRequest{FolderId: other, Name: "home-folder", UpdateMask: masked("name")}, codes.AlreadyExists, "home-folder")

	for _, name := range []string{"a", "a1", "a-b", strings.Repeat("a", 63)} {
		o.create(t, "sa.Create", account(other, name))
		o.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: second, Name: name})
	}
	for _, name := range []string{"", "A", "1a", "-a", "a-", "a_b", "a b", "ä", "a\n", strings.Repeat("a", 64), "a\x00"} {
		for m, req := range map[string]proto.Message{
			"sa.Create":     account(other, name),
			"folder.Create": &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: name},
			"cloud.Create":  &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: name},
		} {
			if a := o.refuse(t, m, req, codes.InvalidArgument, "name"); !cmp.Equal(a.fields(), []string{"name"}) {
				t.Errorf("%s %q: fields %v", m, name, a.fields())
			}
		}
	}
	for what, labels := range map[string]map[string]string{
		"upper key": {"Env": "x"}, "digit first": {"1env": "x"}, "long key": {strings.Repeat("k", 64): "x"}, "empty key": {"": "x"},
		"upper value": {"env": "X"}, "long value": {"env": strings.Repeat("v", 64)}, "65 labels": many(65),
	} {
		a := o.refuse(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: second, Name: "labels", Labels: labels}, codes.InvalidArgument, "labels")
		if f := a.fields(); len(f) != 1 || !strings.HasPrefix(f[0], "labels") {
			t.Errorf("%s: fields %v", what, f)
		}
	}
	o.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: second, Name: "labels", Labels: many(64), Description: strings.Repeat("я", 256)})
	o.refuse(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: second, Name: "long", Description: strings.Repeat("я", 257)}, codes.InvalidArgument, "description")
}

func many(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out["k"+strings.Repeat("x", i%60)+string(rune('a'+i/60))] = "v"
	}
	return out
}

func TestCloudAndFolderFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner
	labels := map[string]string{"env": "test"}
	op := o.operate(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "c", Description: "d", Labels: labels})
	cloud := &rmpb.Cloud{Id: idIn(t, op), Name: "c", Description: "d", Labels: labels, OrganizationId: w.home.OrganizationID}
	getCloud := func() *rmpb.Cloud {
		return call(t, o, "cloud.Get", &rmpb.GetCloudRequest{CloudId: cloud.GetId()}, new(rmpb.Cloud))
	}
	same(t, "cloud", response(t, op, new(rmpb.Cloud)), getCloud(), cloud)
	op = o.operate(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: cloud.GetId(), Name: "f", Description: "d", Labels: labels})
	folder := &rmpb.Folder{Id: idIn(t, op), Name: "f", Description: "d", Labels: labels, CloudId: cloud.GetId(), Status: rmpb.Folder_ACTIVE}
	getFolder := func() *rmpb.Folder {
		return call(t, o, "folder.Get", &rmpb.GetFolderRequest{FolderId: folder.GetId()}, new(rmpb.Folder))
	}
	same(t, "folder", response(t, op, new(rmpb.Folder)), getFolder(), folder)

	cloud.Description, folder.Description = "new", "new"
	same(t, "cloud masked", response(t, o.operate(t, "cloud.Update", &rmpb.UpdateCloudRequest{CloudId: cloud.GetId(), UpdateMask: masked("description"), Description: "new"}), new(rmpb.Cloud)), getCloud(), cloud)
	same(t, "folder masked", response(t, o.operate(t, "folder.Update", &rmpb.UpdateFolderRequest{FolderId: folder.GetId(), UpdateMask: masked("description"), Description: "new"}), new(rmpb.Folder)), getFolder(), folder)
	// An empty name leaves the name; the rest is reset.
	cloud.Description, folder.Description, cloud.Labels, folder.Labels = "", "", nil, nil
	same(t, "cloud reset", response(t, o.operate(t, "cloud.Update", &rmpb.UpdateCloudRequest{CloudId: cloud.GetId()}), new(rmpb.Cloud)), getCloud(), cloud)
	same(t, "folder reset", response(t, o.operate(t, "folder.Update", &rmpb.UpdateFolderRequest{FolderId: folder.GetId()}), new(rmpb.Folder)), getFolder(), folder)
	for _, paths := range [][]string{{"status"}, {"created_at"}, {"cloud_id"}, {"folder_id"}, {"organization_id"}, {"id"}, {"labels.x"}} {
		o.refuse(t, "cloud.Update", &rmpb.UpdateCloudRequest{CloudId: cloud.GetId(), UpdateMask: masked(paths...)}, codes.InvalidArgument, "update_mask")
		o.refuse(t, "folder.Update", &rmpb.UpdateFolderRequest{FolderId: folder.GetId(), UpdateMask: masked(paths...)}, codes.InvalidArgument, "update_mask")
	}
}

func TestKeyFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	self := w.impersonate(t, w.owner, id)
	made := call(t, w.owner, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: id, Description: "first"}, new(iampb.CreateKeyResponse))
	w.secret(made.GetPrivateKey())
	got := call(t, w.owner, "key.Get", &iampb.GetKeyRequest{KeyId: made.GetKey().GetId()}, new(iampb.Key))
	same(t, "key", made.GetKey(), got, &iampb.Key{Id: made.GetKey().GetId(), Subject: &iampb.Key_ServiceAccountId{ServiceAccountId: id},
		Description: "first", KeyAlgorithm: iampb.Key_RSA_2048, PublicKey: made.GetKey().GetPublicKey()})
	if !strings.HasPrefix(made.GetPrivateKey(), "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <"+got.GetId()+">\n-----BEGIN PRIVATE KEY-----\n") ||
		!strings.HasPrefix(got.GetPublicKey(), "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("the key pair is not spelled as SDKs read it: %.120q, %.60q", made.GetPrivateKey(), got.GetPublicKey())
	}
	w.bind(t, "sa", id, add("iam.serviceAccounts.authorizedKeyAdmin", id))
	// Without an account a key method means the caller.
	own := call(t, self, "key.List", &iampb.ListKeysRequest{}, new(iampb.ListKeysResponse))
	if len(own.GetKeys()) != 1 || own.GetKeys()[0].GetId() != got.GetId() {
		t.Errorf("the caller's own keys: %v", own)
	}
	mine := call(t, self, "key.Create", &iampb.CreateKeyRequest{}, new(iampb.CreateKeyResponse))
	w.secret(mine.GetPrivateKey())
	if mine.GetKey().GetServiceAccountId() != id {
		t.Errorf("a key for nobody named is for %s, want the caller", mine.GetKey().GetServiceAccountId())
	}
	op := w.owner.operate(t, "key.Update", &iampb.UpdateKeyRequest{KeyId: got.GetId()})
	if k := response(t, op, new(iampb.Key)); k.GetDescription() != "" {
		t.Errorf("no mask resets the description: %v", k)
	}
	for _, req := range []*iampb.CreateKeyRequest{{ServiceAccountId: id, KeyAlgorithm: 7}, {ServiceAccountId: id, Format: 3}, {ServiceAccountId: id, KeyAlgorithm: -1}} {
		w.owner.refuse(t, "key.Create", req, codes.InvalidArgument, "")
	}
	w.owner.refuse(t, "key.Update", &iampb.UpdateKeyRequest{KeyId: got.GetId(), UpdateMask: masked("public_key")}, codes.InvalidArgument, "update_mask")
}
