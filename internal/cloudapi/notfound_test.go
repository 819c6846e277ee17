package cloudapi_test

import (
	"regexp"
	"strings"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// absent are ids that name nothing for home's owner, by the prefix of the
// method's target, in the ways in which there can be nothing.
func absent(t *testing.T, w *world) map[string]map[string]string {
	t.Helper()
	o := w.owner
	account, folder := w.newAccount(t, "gone"), w.newFolder(t, "gone")
	cloud := o.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "gone"})
	key, inFolder, keyInFolder := w.plantKey(t, account), "", ""
	inFolder = o.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: folder, Name: "gone-with-folder"})
	keyInFolder = w.plantKey(t, inFolder)
	apiKey, apiKeyInFolder, foreignAPIKey := w.plantAPIKey(t, account), w.plantAPIKey(t, inFolder), w.plantAPIKey(t, w.ServiceAccountID)
	accessKey, accessKeyInFolder, foreignAccessKey := w.plantAccessKey(t, account), w.plantAccessKey(t, inFolder), w.plantAccessKey(t, w.ServiceAccountID)
	client, clientInFolder, foreignClient := w.plantOAuthClient(t, w.home.FolderID), w.plantOAuthClient(t, folder), w.plantOAuthClient(t, w.FolderID)
	clientSecret, secretInFolder, foreignSecret := w.plantClientSecret(t, client), w.plantClientSecret(t, clientInFolder), w.plantClientSecret(t, foreignClient)
	// All are looked at once, so that the server remembers them.
	for id, service := range map[string]string{account: "sa", inFolder: "sa", folder: "folder", cloud: "cloud", key: "key", keyInFolder: "key",
		apiKey: "apiKey", apiKeyInFolder: "apiKey", accessKey: "accessKey", accessKeyInFolder: "accessKey",
		client: "oauthClient", clientInFolder: "oauthClient", clientSecret: "oauthClientSecret", secretInFolder: "oauthClientSecret"} {
		md := descriptorOf(t, fullMethod(service+".Get"))
		req := newMessage(t, md.Input())
		call(t, o, service+".Get", set(req, string(md.Input().Fields().Get(0).Name()), id), newMessage(t, md.Output()))
	}
	o.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: account})
	o.operate(t, "oauthClient.Delete", &iampb.DeleteOAuthClientRequest{OauthClientId: client})
	o.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(past)})
	o.operate(t, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: cloud, DeleteAfter: timestamppb.New(past)})
	group := w.newGroup(t, "gone", "")
	call(t, o, "group.Get", &ompb.GetGroupRequest{GroupId: group}, new(ompb.Group))
	o.operate(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group})
	foreign := "ajeforeign0000000000"
	w.update(t, func(tx *store.Tx) error {
		return store.InsertGroup(tx, &iam.Group{ID: foreign, OrganizationID: w.OrganizationID, Name: "foreign", CreatedAt: tx.Now()})
	})
	devKey := regexp.MustCompile(`"id":\s*"([^"]+)"`).FindSubmatch(w.Key)[1]
	odd := map[string]string{"odd": `'"{}%s\u003c../..`, "unicode": "ключ", "wildcard": "*", "upper": strings.ToUpper(account)}
	with := func(own map[string]string) map[string]string {
		for k, v := range odd {
			own[k] = v
		}
		return own
	}
	return map[string]map[string]string{
		"service_account": with(map[string]string{"unknown": "ajenever0000000000000", "foreign": w.ServiceAccountID, "deleted": account,
			"deleted with its folder": inFolder, "of another kind": w.home.FolderID}),
		"folder": with(map[string]string{"unknown": "b1gnever0000000000000", "foreign": w.FolderID, "deleted": folder, "of another kind": w.home.CloudID}),
		"cloud":  with(map[string]string{"unknown": "b1gnever0000000000000", "foreign": w.CloudID, "deleted": cloud, "of another kind": w.home.FolderID}),
		"key": with(map[string]string{"unknown": "ajenever0000000000000", "foreign": string(devKey), "deleted": key,
			"deleted with its folder": keyInFolder, "of another kind": w.home.ServiceAccountID}),
		"api_key": with(map[string]string{"unknown": "ajenever0000000000000", "foreign": foreignAPIKey, "deleted": apiKey,
			"deleted with its folder": apiKeyInFolder, "of another kind": key}),
		"access_key": with(map[string]string{"unknown": "ajenever0000000000000", "foreign": foreignAccessKey, "deleted": accessKey,
			"deleted with its folder": accessKeyInFolder, "of another kind": apiKey, "key id": "YC" + foreignAccessKey}),
		"oauth_client": with(map[string]string{"unknown": "ajenever0000000000000", "foreign": foreignClient, "deleted": client,
			"deleted with its folder": clientInFolder, "of another kind": w.home.ServiceAccountID}),
		"oauth_client_secret": with(map[string]string{"unknown": "ajenever0000000000000", "foreign": foreignSecret, "deleted with its client": clientSecret,
			"deleted with its folder": secretInFolder, "of another kind": client}),
		"organization":      with(map[string]string{"unknown": "bpfnever0000000000000", "foreign": w.OrganizationID, "of another kind": w.home.CloudID}),
		"subject_container": with(map[string]string{"unknown": "bpfnever0000000000000", "foreign": w.OrganizationID, "of another kind": w.home.CloudID}),
		"group":             with(map[string]string{"unknown": "ajenever0000000000000", "foreign": foreign, "deleted": group, "of another kind": w.home.ServiceAccountID}),
	}
}

var thingNames = map[string]string{"service_account": "Service account", "folder": "Folder", "cloud": "Cloud", "key": "Key", "api_key": "API key", "access_key": "Access key", "organization": "Organization",
	"oauth_client": "OAuth client", "oauth_client_secret": "OAuth client secret", "group": "Group", "subject_container": "Subject container"}

// TestNothingThereLooksAlike says that what does not exist, does not exist any
// more, is of another kind or is none of the caller's business cannot be told
// apart, whatever the method.
func TestNothingThereLooksAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := absent(t, w)
	n := 10_000
	for _, r := range rows(w) {
		rule := builtRules()[fullMethod(r.method)]
		field := rule.Target.Field
		if field == "" {
			continue
		}
		kind := strings.TrimSuffix(field, "_id")
		if kind == "resource" {
			kind = map[string]string{"sa": "service_account", "folder": "folder", "cloud": "cloud", "group": "group", "org": "organization"}[r.method[:strings.IndexByte(r.method, '.')]]
		}
		req := r.request(t, w, n)
		n += len(columns)
		for what, id := range ids[kind] {
			a := w.owner.refuse(t, r.method, set(proto.Clone(req), field, id), codes.NotFound, thingNames[kind]+" "+id+" not found")
			if want := thingNames[kind] + " " + id + " not found"; a.message != want || len(a.details) != 1 {
				t.Errorf("%s of an id %s: %q with %d details, want %q and RequestInfo alone", r.method, what, a.message, len(a.details), want)
			}
		}
	}
	foreign := call(t, w.exchange(t, w.Key), "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.FolderID, Name: "foreign"}, new(operationpb.Operation))
	for _, id := range []string{"ajenever0000000000000", foreign.GetId(), w.home.ServiceAccountID, "ключ"} {
		for _, m := range []string{"op.Get", "op.Cancel"} {
			req := set(newMessage(t, descriptorOf(t, fullMethod(m)).Input()), "operation_id", id)
			if a := w.owner.refuse(t, m, req, codes.NotFound, ""); a.message != "Operation "+id+" not found" || len(a.details) != 1 {
				t.Errorf("%s of %s: %q", m, id, a.message)
			}
		}
	}
	// No limit stands at this field; the answer must fit into a header all the same.
	for _, m := range []string{"op.Get", "op.Cancel"} {
		req := set(newMessage(t, descriptorOf(t, fullMethod(m)).Input()), "operation_id", strings.Repeat("x", 900_000))
		w.owner.refuse(t, m, req, codes.NotFound, "Operation xxx")
	}
}
