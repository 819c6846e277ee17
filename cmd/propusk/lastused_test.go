package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// Keys of every kind that services ask about up to the moment of a graceful
// stop: the next server shows the very last use of each.
func TestLastUsesOutliveAGracefulStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	robot, admin := readKey(t, dir, "d", "key.json"), readKey(t, dir, "d", "admin-key.json")
	token := mustExchange(t, p, admin)
	var api struct {
		APIKey struct{ ID string } `json:"apiKey"`
		Secret string
	}
	mustTell(t, &api, "POST", "http://"+p.http+"/iam/v1/apiKeys", token, `{"serviceAccountId":"`+robot.ServiceAccountID+`"}`)
	id, static, err := p.accessKey(token, robot.ServiceAccountID)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(p.access, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	asks := func(r *pb.AuthenticateRequest) {
		t.Helper()
		if _, err := pb.NewAccessServiceClient(conn).Authenticate(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	paths := map[string]string{"API key": "/iam/v1/apiKeys/" + api.APIKey.ID, "static key": "/iam/aws-compatibility/v1/accessKeys/" + id, "authorized key": "/iam/v1/keys/" + robot.ID}
	var last, until map[string]time.Time
	for began := time.Now(); time.Since(began) < 2500*time.Millisecond; time.Sleep(100 * time.Millisecond) { // past a write of them
		last, until = map[string]time.Time{}, map[string]time.Time{}
		for kind, use := range map[string]func(){
			"API key":        func() { asks(&pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_ApiKey{ApiKey: api.Secret}}) },
			"static key":     func() { asks(static.asked(time.Now())) },
			"authorized key": func() { mustExchange(t, p, robot) },
		} {
			last[kind] = time.Now().Truncate(time.Second) // as the API shows it
			use()
			until[kind] = time.Now()
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p = startDev(t, dir)
	for kind, path := range paths {
		var key struct{ LastUsedAt time.Time }
		mustTell(t, &key, "GET", "http://"+p.http+path, token, "")
		if key.LastUsedAt.Before(last[kind]) || key.LastUsedAt.After(until[kind]) {
			t.Errorf("%s: last used at %v, want %v to %v", kind, key.LastUsedAt, last[kind], until[kind])
		}
	}
	var account struct{ LastAuthenticatedAt time.Time }
	mustTell(t, &account, "GET", "http://"+p.http+"/iam/v1/serviceAccounts/"+robot.ServiceAccountID, token, "")
	if at := last["API key"].Truncate(10 * time.Minute); account.LastAuthenticatedAt.Before(at) || account.LastAuthenticatedAt.After(time.Now()) {
		t.Errorf("the account: %v, want %v", account.LastAuthenticatedAt, at)
	}
}

// With the database away, a graceful stop loses the last uses, says so, and ends
// in time.
func TestGracefulStopWithoutPostgres(t *testing.T) {
	t.Parallel()
	s := pgtest.Own(t)
	n := newNodes(t, s)
	p := n.serve(t, "a")
	mustExchange(t, p, n.owner)
	s.Stop()
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(p.log(), "when keys were last used could not be written at the end") {
		t.Errorf("the log says nothing of it:\n%s", p.log())
	}
}

// asked is what a service asks about a request that the key has signed.
func (k awsKey) asked(at time.Time) *pb.AuthenticateRequest {
	day := at.UTC().Format("20060102")
	scope := day + "/ru-central1/s3/aws4_request"
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", at.UTC().Format("20060102T150405Z"), scope, sha256.Sum256([]byte("a request")))
	return &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: &pb.AccessKeySignature{
		AccessKeyId: k.ID, StringToSign: text, Signature: k.sign(scope, text),
		Parameters: &pb.AccessKeySignature_V4Parameters{V4Parameters: &pb.AccessKeySignature_Version4Parameters{
			SignedAt: timestamppb.New(at), Service: "s3", Region: "ru-central1"}}}}}
}
