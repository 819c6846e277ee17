//go:build unix

package compat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/keyfile"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// fewestSigned is how many requests each signer signs at least.
const fewestSigned = 12

// signed is what a signer prints of a request.
type signed struct {
	StringToSign string    `json:"string_to_sign"`
	Signature    string    `json:"signature"`
	SignedAt     time.Time `json:"signed_at"`
	Service      string    `json:"service"`
	Region       string    `json:"region"`
	V2           string    `json:"v2"` // method of version 2
	Token        string    `json:"token"`
	Request      *sent     `json:"request"`
}

func (s signed) request(keyID string) *pb.AuthenticateRequest {
	m := &pb.AccessKeySignature{AccessKeyId: keyID, StringToSign: s.StringToSign, Signature: s.Signature}
	if s.V2 != "" {
		m.Parameters = &pb.AccessKeySignature_V2Parameters{V2Parameters: &pb.AccessKeySignature_Version2Parameters{
			SignatureMethod: pb.AccessKeySignature_Version2Parameters_SignatureMethod(pb.AccessKeySignature_Version2Parameters_SignatureMethod_value[s.V2])}}
	} else {
		m.Parameters = &pb.AccessKeySignature_V4Parameters{V4Parameters: &pb.AccessKeySignature_Version4Parameters{
			SignedAt: timestamppb.New(s.SignedAt), Service: s.Service, Region: s.Region}}
	}
	return &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: m}}
}

// testSigner makes a static access key and has a signer sign with it: requests
// that it prints, or sends to where they are recorded. They are read as a
// service reads them, and AccessService is asked whose the signatures are,
// before and after the key's end.
func (s *suite) testSigner(t *testing.T, client string) {
	s.build(t, client)
	const keys = "/iam/aws-compatibility/v1/accessKeys"
	token := s.token(t)
	var key struct {
		AccessKey struct{ ID, KeyID, ServiceAccountID string }
		Secret    string
	}
	s.rest(t, "POST", keys, token, map[string]string{"description": client}, &key)
	at, requests := recorder(t)
	out, err := s.execute(t, client, "./run", "", "AWS_ACCESS_KEY_ID="+key.AccessKey.KeyID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "RECORDER="+at)
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
	var all []signed
	for line := range strings.Lines(out.stdout.String()) {
		var one signed
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s printed %q: %v", client, line, err)
		}
		all = append(all, one)
	}
	for len(requests) > 0 {
		one := <-requests
		all = append(all, one.claim(t))
	}
	if len(all) < fewestSigned {
		t.Fatalf("%s signed %d requests, want at least %d", client, len(all), fewestSigned)
	}
	for _, one := range all {
		one.read(t, key.AccessKey.KeyID)
	}
	s.whose(t, all, key.AccessKey.KeyID, key.AccessKey.ServiceAccountID)
	s.rest(t, "DELETE", keys+"/"+key.AccessKey.ID, token, nil, &struct{}{})
	s.whose(t, all, key.AccessKey.KeyID, "")
}

// whose asks both packages whose signatures are; "" is nobody's.
func (s *suite) whose(t *testing.T, all []signed, keyID, account string) {
	t.Helper()
	conn, err := grpc.NewClient(s.server.env["ACCESS_ENDPOINT"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, one := range all {
		for _, service := range []string{"yandex.cloud.priv.servicecontrol.v1.AccessService", "yandex.cloud.priv.accessservice.v2.AccessService"} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			var who pb.AuthenticateResponse
			err := conn.Invoke(ctx, "/"+service+"/Authenticate", one.request(keyID), &who)
			cancel()
			if got := who.GetSubject().GetServiceAccount().GetId(); got != account || account == "" && status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %q (%v), want %q, for\n%s", service, got, err, account, one.StringToSign)
			}
		}
	}
}

// token is an IAM token of the account that the server's key file is of.
func (s *suite) token(t *testing.T) string { return s.tokenOf(t, "key.json") }

// tokenOf is an IAM token of the account that a key file of the server is of.
func (s *suite) tokenOf(t *testing.T, name string) string {
	t.Helper()
	return s.tokenFrom(t, filepath.Join(s.server.data, name))
}

// tokenFrom is an IAM token of the account that a key file is of.
func (s *suite) tokenFrom(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := keyfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := keyfile.SignJWT(file, keyfile.PublicAudience, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var issued struct{ IAMToken string }
	s.rest(t, "POST", "/iam/v1/tokens", "", map[string]string{"jwt": jwt.Reveal()}, &issued)
	return issued.IAMToken
}

// rest calls a method over HTTP, demands status 200 and decodes the answer.
func (s *suite) rest(t *testing.T, method, path, token string, body, into any) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.server.env["HTTP_URL"]+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(got, into) != nil {
		t.Fatalf("%s %s: %d %s (%v)", method, path, answer.StatusCode, got, err)
	}
}
