//go:build unix

package compat_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// testS3 has a client of S3 and STS work against a small S3 that asks this
// server who may do what. The program itself checks how it is answered.
func (s *suite) testS3(t *testing.T, client string) {
	s.build(t, client)
	conn, err := grpc.NewClient(s.server.env["ACCESS_ENDPOINT"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	front := &s3Front{auth: propuskpb.NewS3AuthServiceClient(conn), folder: s.server.env["FOLDER_ID"], buckets: map[string]map[string][]byte{}, forms: map[string]int{}}
	plain, secure := httptest.NewServer(front), httptest.NewTLSServer(front)
	defer plain.Close()
	defer secure.Close()
	ca := filepath.Join(t.TempDir(), "s3.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}

	token := s.tokenOf(t, "admin-key.json")
	name := "s3-" + filepath.Base(client) + "-" + time.Now().Format("150405.000000")[7:]
	owner, stranger := s.s3Account(t, token, name+"-owner", "storage.editor"), s.s3Account(t, token, name+"-stranger", "")
	var ephemeral struct{ AccessKeyID, Secret, SessionToken string }
	s.rest(t, "POST", "/iam/aws-compatibility/v1/ephemeralAccessKeys", s.token(t),
		map[string]string{"sessionName": "compat"}, &ephemeral)

	out, err := s.execute(t, client, "./run", "", "S3_URL="+plain.URL, "S3_TLS_URL="+secure.URL, "S3_CA="+ca, "IAM_TOKEN="+token,
		"OWNER_KEY_ID="+owner.AccessKey.KeyID, "OWNER_SECRET="+owner.Secret, "OWNER_ROW="+owner.AccessKey.ID,
		"STRANGER_KEY_ID="+stranger.AccessKey.KeyID, "STRANGER_SECRET="+stranger.Secret,
		"EPHEMERAL_KEY_ID="+ephemeral.AccessKeyID, "EPHEMERAL_SECRET="+ephemeral.Secret, "EPHEMERAL_TOKEN="+ephemeral.SessionToken)
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
	if front.forms[""] == 0 || front.forms[streamed] == 0 {
		t.Errorf("bodies came as %v, want some with a hash and some as %s", front.forms, streamed)
	}
}

// s3Key is a static access key.
type s3Key struct {
	AccessKey struct{ ID, KeyID string }
	Secret    string
}

// s3Account makes a service account with a role on the folder, or with none, and
// a static access key of its.
func (s *suite) s3Account(t *testing.T, token, name, role string) (key s3Key) {
	t.Helper()
	folder := s.server.env["FOLDER_ID"]
	var made struct {
		Done     bool
		Metadata struct{ ServiceAccountID string }
	}
	s.rest(t, "POST", "/iam/v1/serviceAccounts", token, map[string]string{"folderId": folder, "name": name}, &made)
	account := made.Metadata.ServiceAccountID
	if !made.Done || account == "" {
		t.Fatalf("service account %s: %+v", name, made)
	}
	if role != "" {
		s.rest(t, "POST", "/resource-manager/v1/folders/"+folder+":updateAccessBindings", token, map[string]any{"accessBindingDeltas": []any{
			map[string]any{"action": "ADD", "accessBinding": map[string]any{"roleId": role,
				"subject": map[string]string{"id": account, "type": "serviceAccount"}}}}}, &struct{}{})
	}
	s.rest(t, "POST", "/iam/aws-compatibility/v1/accessKeys", token, map[string]string{"serviceAccountId": account}, &key)
	return key
}
