package cloudapi_test

import (
	"fmt"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func init() {
	services["oauthClient"] = "yandex.cloud.iam.v1.OAuthClientService"
	services["oauthClientSecret"] = "yandex.cloud.iam.v1.OAuthClientSecretService"
	areaRows = append(areaRows, oauthClientRows)
}

// plantOAuthClient puts an OAuth client of the profile Web into the store.
func (w *world) plantOAuthClient(t *testing.T, folderID string) (id string) {
	t.Helper()
	id = resource.NewID(resource.PrefixIAM)
	w.update(t, func(tx *store.Tx) error {
		return store.InsertOAuthClient(tx, &iam.OAuthClient{ID: id, FolderID: folderID, Name: "planted-" + id, ProfileID: oauthclient.Web,
			PKCERequired: true, AuthenticationMethods: []string{oauthclient.SecretBasic}, CreatedAt: tx.Now()})
	})
	return id
}

func (w *world) plantClientSecret(t *testing.T, clientID string) (id string) {
	t.Helper()
	secret, k := credential.NewOAuthClientSecret()
	w.secret(secret.Reveal())
	k.ID, k.OAuthClientID = resource.NewID(resource.PrefixIAM), clientID
	w.update(t, func(tx *store.Tx) error {
		k.CreatedAt = tx.Now()
		return store.InsertOAuthClientSecret(tx, k)
	})
	return k.ID
}

func oauthClientRows(w *world) []row {
	folder := w.home.FolderID
	ofClient := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, _ int) proto.Message { return build(w.plantOAuthClient(t, folder)) }
	}
	ofSecret := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, _ int) proto.Message {
			return build(w.plantClientSecret(t, w.plantOAuthClient(t, folder)))
		}
	}
	return []row{
		{"oauthClient.Get", "UND++++", ofClient(func(id string) proto.Message { return &iampb.GetOAuthClientRequest{OauthClientId: id} })},
		{"oauthClient.List", "UND++++", fixed(&iampb.ListOAuthClientsRequest{FolderId: folder})},
		{"oauthClient.ListProfiles", "U++++++", fixed(&iampb.ListProfilesRequest{})},
		{"oauthClient.Create", "UNDD+++", func(_ *testing.T, _ *world, n int) proto.Message {
			return &iampb.CreateOAuthClientRequest{FolderId: folder, Name: fmt.Sprintf("made-%d", n)}
		}},
		{"oauthClient.Update", "UNDD+++", ofClient(func(id string) proto.Message {
			return &iampb.UpdateOAuthClientRequest{OauthClientId: id, UpdateMask: masked("scopes")}
		})},
		{"oauthClient.Delete", "UNDD+++", ofClient(func(id string) proto.Message { return &iampb.DeleteOAuthClientRequest{OauthClientId: id} })},

		{"oauthClientSecret.Get", "UND++++", ofSecret(func(id string) proto.Message {
			return &iampb.GetOAuthClientSecretRequest{OauthClientSecretId: id}
		})},
		{"oauthClientSecret.List", "UND++++", ofClient(func(id string) proto.Message { return &iampb.ListOAuthClientSecretsRequest{OauthClientId: id} })},
		{"oauthClientSecret.Create", "UNDD+++", ofClient(func(id string) proto.Message {
			return &iampb.CreateOAuthClientSecretRequest{OauthClientId: id}
		})},
		{"oauthClientSecret.Delete", "UNDD+++", ofSecret(func(id string) proto.Message {
			return &iampb.DeleteOAuthClientSecretRequest{OauthClientSecretId: id}
		})},
	}
}

// newClientSecret makes a secret by the API and returns it with its value.
func (w *world) newClientSecret(t *testing.T, by *caller, r *iampb.CreateOAuthClientSecretRequest, pairs ...string) *iampb.CreateOAuthClientSecretResponse {
	t.Helper()
	made := response(t, by.operate(t, "oauthClientSecret.Create", r, pairs...), new(iampb.CreateOAuthClientSecretResponse))
	w.secret(made.GetSecretValue())
	return made
}

// oauthClientListings makes the rows of the lists of OAuth clients and their secrets.
func oauthClientListings(t *testing.T, w *world, folders [2]string) []listing {
	t.Helper()
	var clients [2]string
	for p, folder := range folders {
		for range 5 {
			clients[p] = w.plantOAuthClient(t, folder)
		}
		for range 5 {
			w.plantClientSecret(t, clients[p])
		}
	}
	return []listing{{"oauthClient.List", "folder_id", folders}, {"oauthClientSecret.List", "oauth_client_id", clients}}
}
