package cloudapi_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/propusktest"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// The secret cannot be shown again, as the server does not know it.
func TestIdempotencyOfAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	req := &iampb.CreateApiKeyRequest{ServiceAccountId: id}
	made := newAPIKey(t, w.owner, req, keyHeader, "k").GetApiKey()
	w.owner.refuse(t, "apiKey.Create", req, codes.AlreadyExists, "API key "+made.GetId(), keyHeader, "k")
	w.owner.refuse(t, "apiKey.Create", &iampb.CreateApiKeyRequest{ServiceAccountId: id, Description: "other"}, codes.InvalidArgument, keyHeader, keyHeader, "k")
	if l := call(t, w.owner, "apiKey.List", &iampb.ListApiKeysRequest{ServiceAccountId: id}, new(iampb.ListApiKeysResponse)); len(l.GetApiKeys()) != 1 {
		t.Errorf("%d keys after a replay, want 1", len(l.GetApiKeys()))
	}
	gone := &iampb.DeleteApiKeyRequest{ApiKeyId: made.GetId()}
	first := w.owner.operate(t, "apiKey.Delete", gone, keyHeader, "d")
	if again := w.owner.operate(t, "apiKey.Delete", gone, keyHeader, "d"); !proto.Equal(first, again) {
		t.Errorf("a replay of the deletion: %v, %v", first, again)
	}
	w.owner.refuse(t, "apiKey.Delete", gone, codes.NotFound, "API key "+made.GetId()+" not found", keyHeader, "other")
}

func TestAPIKeyAuditDetails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "audited")
	made := new(iampb.CreateApiKeyResponse)
	create := w.owner.do(t, "apiKey.Create", &iampb.CreateApiKeyRequest{ServiceAccountId: id}, made)
	key := made.GetApiKey().GetId()
	for event, a := range map[string]answer{
		"iam.CreateApiKey": create,
		"iam.UpdateApiKey": w.owner.do(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: key, UpdateMask: masked("description")}, newMessage(t, descriptorOf(t, fullMethod("apiKey.Update")).Output())),
		"iam.DeleteApiKey": w.owner.do(t, "apiKey.Delete", &iampb.DeleteApiKeyRequest{ApiKeyId: key}, newMessage(t, descriptorOf(t, fullMethod("apiKey.Delete")).Output())),
	} {
		l := w.line(t, a)
		want := map[string]any{"api_key_id": key, "service_account_id": id, "service_account_name": "audited"}
		if l.EventType != "yandex.cloud.audit."+event || !cmp.Equal(l.Details, want) {
			t.Errorf("%s: %s with %v, want %v", event, l.EventType, l.Details, want)
		}
	}
}

// IAM's own API does not take API keys, says so, and keeps them to itself.
func TestAPIKeyAtThisAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	w.bind(t, "cloud", w.home.CloudID, add("admin", id))
	secret := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: id}).GetSecret()
	nobody := w.withToken(t, "")
	for header, text := range map[string]string{
		"Api-Key " + secret:        "API keys are not accepted here; the Authorization header holds an API key: an IAM token is expected as 'Bearer <token>'",
		"Bearer " + secret:         "API keys are not accepted here; the Authorization header holds an API key: an IAM token is expected as 'Bearer <token>'",
		secret:                     "The Authorization header holds an API key without the word 'Bearer' before it: an IAM token is expected as 'Bearer <token>'",
		"Api-Key " + w.owner.token: "The Authorization header holds an IAM token behind the word 'Api-Key': an IAM token is expected as 'Bearer <token>'",
	} {
		req := &iampb.GetServiceAccountRequest{ServiceAccountId: id}
		for door, a := range map[string]answer{
			"gRPC": nobody.do(t, "sa.Get", req, new(iampb.ServiceAccount), "authorization", header),
			"REST": nobody.doREST(t, "sa.Get", req, new(iampb.ServiceAccount), "Authorization", header),
		} {
			if a.code != codes.Unauthenticated || a.message != text {
				t.Errorf("%.8s… over %s: %v %q, want %q", header, door, a.code, a.message, text)
			}
		}
	}
	nobody.refuse(t, "token.Create", &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: secret}},
		codes.Unauthenticated, "The JWT is an API key: a JWT signed with an authorized key is expected")
}

// A policy against keys, and the one against all credentials, deny new ones alone.
func TestCredentialsPolicyDeniesAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	key := w.plantAPIKey(t, id)
	req := &iampb.CreateApiKeyRequest{ServiceAccountId: id}
	for _, template := range []string{"iam.denyServiceAccountApiKeysCreation", "iam.denyServiceAccountCredentialsCreation"} {
		w.deny(t, "folder", w.home.FolderID, template)
		w.owner.refuse(t, "apiKey.Create", req, codes.PermissionDenied, "denied by access policy "+template)
		// Keys that are there stay, and can be changed.
		w.owner.operate(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: key, UpdateMask: masked("description"), Description: template})
		w.allow(t, "folder", w.home.FolderID, template)
		newAPIKey(t, w.owner, req)
	}
}

// Nothing that the server writes shows an API key, used or misused.
func TestAPIKeyLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propusktest.WithConfig(func(c *server.Config) { c.DebugListen = "127.0.0.1:0" }))
	id := w.newAccount(t, "keyed")
	good := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: id})
	gone := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: id})
	w.owner.operate(t, "apiKey.Delete", &iampb.DeleteApiKeyRequest{ApiKeyId: gone.GetApiKey().GetId()})
	unknown, _ := credential.NewAPIKey()
	w.secret(unknown.Reveal())
	conn, err := grpc.NewClient(w.Server.Server.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	access := accesspb.NewAccessServiceClient(conn)
	for secret, want := range map[string]codes.Code{good.GetSecret(): codes.PermissionDenied, gone.GetSecret(): codes.Unauthenticated,
		unknown.Reveal(): codes.Unauthenticated, good.GetSecret() + good.GetSecret(): codes.Unauthenticated} {
		_, err := access.Authorize(t.Context(), &accesspb.AuthorizeRequest{Identity: &accesspb.AuthorizeRequest_ApiKey{ApiKey: secret},
			Permission: "resource-manager.folders.get", ResourcePath: []*accesspb.Resource{{Type: "resource-manager.folder", Id: w.home.FolderID}}})
		if status.Code(err) != want || w.shows(fmt.Sprint(err)) != "" {
			t.Errorf("Authorize: %v, want %v and no secret", err, want)
		}
		for _, r := range []*accesspb.AuthenticateRequest{
			{Credentials: &accesspb.AuthenticateRequest_ApiKey{ApiKey: secret}}, {Credentials: &accesspb.AuthenticateRequest_IamToken{IamToken: secret}},
			{Credentials: &accesspb.AuthenticateRequest_Signature{Signature: &accesspb.AccessKeySignature{AccessKeyId: secret, StringToSign: secret, Signature: secret}}},
		} {
			if _, err := access.Authenticate(t.Context(), r); w.shows(fmt.Sprint(err)) != "" {
				t.Errorf("Authenticate shows the secret: %v", err)
			}
		}
		for _, method := range []string{"apiKey.Get", "apiKey.Delete"} {
			w.withToken(t, "").refuse(t, method, set(newMessage(t, descriptorOf(t, fullMethod(method)).Input()), "api_key_id", "x"), codes.Unauthenticated, "",
				"authorization", "Api-Key "+secret)
		}
	}
	r, err := http.Get("http://" + w.Server.Server.DebugAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	metrics, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(string(metrics), "propusk_calls_total") || w.shows(string(metrics)) != "" {
		t.Errorf("the metrics tell of no calls, or too much: %v", err)
	}
}
