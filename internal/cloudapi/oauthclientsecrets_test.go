package cloudapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func (w *world) newOAuthClient(t *testing.T, name string) string {
	t.Helper()
	return w.owner.create(t, "oauthClient.Create", &iampb.CreateOAuthClientRequest{FolderId: w.home.FolderID, Name: name})
}

// TestOAuthClientSecrets: the value stands in the answer to the call alone, over
// both doors; not in the operation, in a replay, in a list or in the rows.
func TestOAuthClientSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.newOAuthClient(t, "site")
	req := &iampb.CreateOAuthClientSecretRequest{OauthClientId: client, Description: "staging"}
	over := map[string]*operationpb.Operation{"gRPC": w.owner.operate(t, "oauthClientSecret.Create", req, keyHeader, "k-gRPC")}
	rest := new(operationpb.Operation)
	if a := w.owner.doREST(t, "oauthClientSecret.Create", req, rest, keyHeader, "k-REST"); a.code != codes.OK {
		t.Fatal(a.message)
	}
	over["REST"] = rest
	for door, op := range over {
		made := response(t, op, new(iampb.CreateOAuthClientSecretResponse))
		value, shape := w.secret(made.GetSecretValue()), made.GetOauthClientSecret()
		if !regexp.MustCompile(`^yccs__[0-9a-f]{64}_[0-9a-f]{8}$`).MatchString(value) || !leak.Valid(leak.OAuthClientSecret, value) {
			t.Fatalf("%s: the secret has %d characters and is not of the published form", door, len(value))
		}
		want := &iampb.OAuthClientSecret{Id: idIn(t, op), OauthClientId: client, Description: "staging", MaskedSecret: value[:16] + "****"}
		got := call(t, w.owner, "oauthClientSecret.Get", &iampb.GetOAuthClientSecretRequest{OauthClientSecretId: want.Id}, new(iampb.OAuthClientSecret))
		same(t, door, shape, got, want)

		later := call(t, w.owner, "op.Get", &operationpb.GetOperationRequest{OperationId: op.GetId()}, new(operationpb.Operation))
		kept := response(t, later, new(iampb.CreateOAuthClientSecretResponse))
		if d := cmp.Diff(&iampb.CreateOAuthClientSecretResponse{OauthClientSecret: shape}, kept, protocmp.Transform()); d != "" || !later.GetDone() {
			t.Errorf("%s: the operation, later (-want +got):\n%s", door, d)
		}
		w.owner.refuse(t, "oauthClientSecret.Create", req, codes.AlreadyExists, want.Id, keyHeader, "k-"+door)
		other := &iampb.CreateOAuthClientSecretRequest{OauthClientId: client}
		w.owner.refuse(t, "oauthClientSecret.Create", other, codes.InvalidArgument, keyHeader, keyHeader, "k-"+door)
		err := w.Server.Server.DB().View(t.Context(), func(tx *store.Tx) error {
			o, err := store.GetOperation(tx, op.GetId())
			k, e2 := store.GetOAuthClientSecret(tx, want.Id)
			if text := fmt.Sprint(o, string(o.Response.Value), k, string(k.Hash)); w.shows(text) != "" {
				t.Errorf("%s: a row shows the secret", door)
			}
			if err == nil {
				err = e2
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	list := call(t, w.owner, "oauthClientSecret.List", &iampb.ListOAuthClientSecretsRequest{OauthClientId: client}, new(iampb.ListOAuthClientSecretsResponse))
	if len(list.GetOauthClientSecrets()) != 2 || w.shows(list.String()) != "" {
		t.Errorf("%d secrets after replays, want 2", len(list.GetOauthClientSecrets()))
	}
	w.owner.operate(t, "oauthClient.Delete", &iampb.DeleteOAuthClientRequest{OauthClientId: client})
	for _, s := range list.GetOauthClientSecrets() {
		w.owner.refuse(t, "oauthClientSecret.Get", &iampb.GetOAuthClientSecretRequest{OauthClientSecretId: s.GetId()}, codes.NotFound,
			"OAuth client secret "+s.GetId()+" not found")
	}
	// The target is gone; the replay shows the operation as it is kept.
	if again := w.owner.operate(t, "oauthClientSecret.Create", req, keyHeader, "k-gRPC"); again.GetId() != over["gRPC"].GetId() || w.shows(again.String()) != "" {
		t.Errorf("a replay after the client's end: %v", again.GetId())
	}
	w.owner.refuse(t, "oauthClientSecret.Create", &iampb.CreateOAuthClientSecretRequest{OauthClientId: client, Description: strings.Repeat("d", 257)},
		codes.InvalidArgument, "description")
}

// TestLeakedClientSecrets goes through the life of a leaked secret: live, told to
// the folder, ended by its finder, dead.
func TestLeakedClientSecrets(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	const live, dead = propuskpb.Verdict_LIVE, propuskpb.Verdict_DEAD
	client := w.newOAuthClient(t, "site")
	made := w.newClientSecret(t, w.owner, &iampb.CreateOAuthClientSecretRequest{OauthClientId: client})
	text, id := made.GetSecretValue(), made.GetOauthClientSecret().GetId()
	v := w.expect(t, "a live one", leak.OAuthClientSecret, " "+text+"\n", live, "CONFIRMED")
	if v.GetCredentialId() != id || v.GetSubjectId() != client {
		t.Errorf("verdict %v, want %s of %s", v, id, client)
	}
	unknown, _ := credential.NewOAuthClientSecret()
	for what, other := range map[string]string{"of nobody": w.secret(unknown.Reveal()), "cut": text[:len(text)-1], "longer": text + "0",
		"with another checksum": text[:71] + flipHex(text[71:]), "upper": strings.ToUpper(text)} {
		w.expect(t, what, leak.OAuthClientSecret, other, dead, "NOT_CONFIRMED")
	}
	w.expect(t, "as another kind", leak.OAuthToken, text, dead, "NOT_CONFIRMED")
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.DetectLeakedCredential"})
	if len(lines) == 0 {
		t.Fatal("nobody is told")
	}
	for _, l := range lines {
		path := l.Resource.Path
		if len(path) == 0 || path[len(path)-1].ID != w.home.FolderID || l.Details["oauth_client_id"] != client || l.Details["oauth_client_name"] != "site" ||
			l.Details["credential_id"] != id {
			t.Errorf("told: %s", l.raw)
		}
	}
	r := call(t, w.stranger, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: &propuskpb.Finding{Type: string(leak.OAuthClientSecret), Payload: text}}, new(propuskpb.RevokeLeakResponse))
	if r.GetCredentialId() != id || r.GetSubjectId() != client {
		t.Errorf("revoked %v", r)
	}
	w.expect(t, "an ended one", leak.OAuthClientSecret, text, dead, "NOT_CONFIRMED")
	w.owner.refuse(t, "oauthClientSecret.Get", &iampb.GetOAuthClientSecretRequest{OauthClientSecretId: id}, codes.NotFound, id)
	second := w.newClientSecret(t, w.owner, &iampb.CreateOAuthClientSecretRequest{OauthClientId: client}).GetSecretValue()
	w.owner.operate(t, "oauthClient.Delete", &iampb.DeleteOAuthClientRequest{OauthClientId: client})
	w.expect(t, "one of a deleted client", leak.OAuthClientSecret, second, dead, "NOT_CONFIRMED")
}

func flipHex(s string) string {
	if s[0] == '0' {
		return "1" + s[1:]
	}
	return "0" + s[1:]
}
