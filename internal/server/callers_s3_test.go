package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// asksS3 asks whether the organization's owner may read an object, by a key of
// his, and returns the answer as text.
func (n *nosy) asksS3(t *testing.T, key *awspb.CreateAccessKeyResponse, token, bucket string, pairs ...string) string {
	t.Helper()
	text := "GET\n\n\n" + time.Now().UTC().Format(time.RFC1123Z) + "\n/" + bucket + "/a"
	h := hmac.New(sha1.New, []byte(key.GetSecret()))
	h.Write([]byte(text))
	r := &propuskpb.S3AuthorizeRequest{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + bucket + "/a",
		Proof: &propuskpb.S3AuthorizeRequest_StringToSign{StringToSign: &propuskpb.SignedString{AccessKeyId: key.GetAccessKey().GetKeyId(),
			StringToSign: text, Signature: base64.StdEncoding.EncodeToString(h.Sum(nil)), V2Method: "HMAC_SHA1"}}}
	for i := 0; i < len(pairs); i += 2 {
		r.ResourcePath = append(r.ResourcePath, &propuskpb.ResourceRef{Type: pairs[i], Id: pairs[i+1]})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	out, err := propuskpb.NewS3AuthServiceClient(n.conn).Authorize(ctx, r)
	if err != nil {
		s := status.Convert(err)
		return s.Code().String() + " " + s.Message()
	}
	if out.GetAllowed() {
		return "allowed"
	}
	return out.GetReason()
}

// accessKey makes a static access key of the home organization's owner.
func (n *nosy) accessKey(t *testing.T) *awspb.CreateAccessKeyResponse {
	t.Helper()
	conn, err := grpc.NewClient(n.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+n.token)
	key, err := awspb.NewAccessKeyServiceClient(conn).Create(ctx, &awspb.CreateAccessKeyRequest{ServiceAccountId: n.home.ServiceAccountID})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A storage asks about buckets and the types it is registered with, and nobody
// asks without proving himself.
func TestWhoAsksForS3(t *testing.T) {
	const bucket = "storage.bucket"
	for _, c := range []struct {
		types []string
		want  string
	}{
		{[]string{bucket, folderType}, "allowed"},
		{[]string{bucket}, "PermissionDenied The service ydb is not registered to ask about resources of type " + folderType},
		{[]string{folderType, "ydb.database"}, "PermissionDenied The service ydb is not registered to ask about resources of type " + bucket},
	} {
		n := newNosy(t, c.types...)
		n.bind(t, n.home.FolderID, "storage.viewer", n.home.ServiceAccountID)
		key := n.accessKey(t)
		if got := n.asksS3(t, key, n.token, "a-bucket", folderType, n.home.FolderID); got != c.want {
			t.Errorf("%v: %s, want %s", c.types, got, c.want)
		}
		if got := n.asksS3(t, key, "", "a-bucket", folderType, n.home.FolderID); !strings.HasPrefix(got, "Unauthenticated") {
			t.Errorf("%v, without a token: %s", c.types, got)
		}
	}
}

// A bucket of an organization that the service may not ask about looks like one
// that there is not, whatever the subject may do there.
func TestHiddenBucketsLookUnknown(t *testing.T) {
	const bucket = "storage.bucket"
	n := newNosy(t, bucket, folderType)
	n.update(t, func(tx *store.Tx) error {
		r := iam.RegisteredResource{ID: "hidden-bucket", Type: bucket, ParentID: n.far.FolderID, Name: "b", CreatedAt: tx.Now()}
		return store.InsertRegistered(tx, &r)
	})
	n.bind(t, "hidden-bucket", "storage.admin", n.home.ServiceAccountID)
	key := n.accessKey(t)
	for name, above := range map[string][]string{"alone": nil, "on our folder": {folderType, n.home.FolderID}, "on its folder": {folderType, n.far.FolderID}} {
		ask := func(id string) string {
			return strings.ReplaceAll(n.asksS3(t, key, n.token, id, append([]string{bucket, id}, above...)...), id, "ID")
		}
		if got, want := ask("hidden-bucket"), ask("unheard-of"); got != want {
			t.Errorf("%s: %s, an unknown one is %s", name, got, want)
		}
	}
	n.bind(t, n.far.OrganizationID, "iam.accessService.user", n.home.ServiceAccountID)
	if got := n.asksS3(t, key, n.token, "hidden-bucket", bucket, "hidden-bucket"); got != "allowed" {
		t.Errorf("where the service may ask: %s", got)
	}
}
