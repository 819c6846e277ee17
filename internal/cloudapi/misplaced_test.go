package cloudapi_test

import (
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/credential"
)

// A secret that is sent where an id belongs is not repeated: not in the answer,
// not in what the server writes, which every world looks through at its end.
func TestSecretsInPlaceOfIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unknown, _ := credential.NewAPIKey()
	_, signing := credential.NewAccessKey()
	secrets := map[string]string{"AQVN****": w.secret(unknown.Reveal()), "YC****": w.secret(signing.Reveal())}
	made := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: w.newAccount(t, "keyed")})
	for _, c := range []struct{ method, field, thing string }{
		{"apiKey.Get", "api_key_id", "API key"}, {"apiKey.Delete", "api_key_id", "API key"}, {"apiKey.ListOperations", "api_key_id", "API key"},
		{"apiKey.List", "service_account_id", "Service account"}, {"apiKey.Create", "service_account_id", "Service account"},
		{"accessKey.Get", "access_key_id", "Access key"}, {"accessKey.Update", "access_key_id", "Access key"},
		{"accessKey.Delete", "access_key_id", "Access key"}, {"accessKey.ListOperations", "access_key_id", "Access key"},
		{"oauthClient.Get", "oauth_client_id", "OAuth client"}, {"oauthClient.Delete", "oauth_client_id", "OAuth client"},
		{"oauthClientSecret.List", "oauth_client_id", "OAuth client"}, {"oauthClientSecret.Get", "oauth_client_secret_id", "OAuth client secret"},
		{"key.Get", "key_id", "Key"}, {"sa.Get", "service_account_id", "Service account"}, {"folder.Get", "folder_id", "Folder"},
		{"op.Get", "operation_id", "Operation"},
	} {
		for shown, secret := range secrets {
			req := set(newMessage(t, descriptorOf(t, fullMethod(c.method)).Input()), c.field, secret)
			for door, a := range map[string]answer{
				"gRPC": w.owner.do(t, c.method, req, newMessage(t, descriptorOf(t, fullMethod(c.method)).Output())),
				"REST": w.owner.doREST(t, c.method, req, newMessage(t, descriptorOf(t, fullMethod(c.method)).Output())),
			} {
				if want := c.thing + " " + shown + " not found"; a.code != codes.NotFound || a.message != want {
					t.Errorf("%s with %.4s… over %s: %v %q, want %q", c.method, secret, door, a.code, a.message, want)
				}
			}
		}
		// A live one is no better known here.
		w.owner.refuse(t, c.method, set(newMessage(t, descriptorOf(t, fullMethod(c.method)).Input()), c.field, made.GetSecret()), codes.NotFound, "AQVN**** not found")
	}
}
