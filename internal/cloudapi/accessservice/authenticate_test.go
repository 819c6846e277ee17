package accessservice_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	gone := w.adminToken
	ok := &pb.Subject{Type: &pb.Subject_ServiceAccount_{ServiceAccount: &pb.Subject_ServiceAccount{Id: w.ServiceAccountID, FolderId: w.FolderID}}}
	tampered := w.token[:len(w.token)-6] + "AAAAAA"
	for _, c := range []struct {
		name string
		r    *pb.AuthenticateRequest
		code codes.Code
		text string
	}{
		{"a token", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: w.token}}, codes.OK, ""},
		{"a tampered token", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: tampered}},
			codes.Unauthenticated, "The token is invalid"},
		{"an empty token", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{}},
			codes.Unauthenticated, "No credential is given, or an empty one, or one of a kind that is not known"},
		{"nothing", &pb.AuthenticateRequest{}, codes.Unauthenticated, ""},
		{"too long", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: strings.Repeat("a", 1025)}},
			codes.InvalidArgument, "Validation failed:\n  - iam_token: must be at most 1024 characters long"},
		{"an API key", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_ApiKey{ApiKey: "AQVN"}},
			codes.Unauthenticated, "The API key is not valid: it is malformed, unknown, or has been deleted"},
		{"a cookie", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamCookie{IamCookie: "c1."}}, codes.Unauthenticated, ""},
		{"a signature", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: &pb.AccessKeySignature{
			AccessKeyId: "YCA", StringToSign: "x", Signature: "y"}}}, codes.Unauthenticated, ""},
		{"a long signature", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: &pb.AccessKeySignature{
			StringToSign: strings.Repeat("x", 8193)}}}, codes.InvalidArgument, ""},
		{"a refresh token", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_RefreshToken{RefreshToken: "r"}}, codes.Unauthenticated, ""},
	} {
		for _, pkg := range []string{v1, v2} {
			out := &pb.AuthenticateResponse{}
			err := call(t, w.conn, pkg+"Authenticate", c.r, out)
			expect(t, pkg+c.name, err, c.code, c.text)
			if err == nil && !proto.Equal(out.GetSubject(), ok) {
				t.Errorf("%s%s: subject %v, want %v", pkg, c.name, out.GetSubject(), ok)
			}
		}
	}
	// A token that has been revoked is nobody's, at once.
	if r := w.Do(t, "POST", gone, "/iam/v1/tokens:revoke", map[string]string{"iamToken": gone}); r.Code != 200 {
		t.Fatalf("revoke: %d %s", r.Code, r.Body)
	}
	err := call(t, w.conn, v1+"Authenticate", &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: gone}}, &pb.AuthenticateResponse{})
	expect(t, "a revoked token", err, codes.Unauthenticated, "The token has been revoked")
}

// The access listener has no other service, and the public ones have not this one.
func TestEachDoorHasItsServices(t *testing.T) {
	w := newWorld(t)
	public := w.Dial(t, w.token)
	for _, pkg := range []string{v1, v2} {
		err := call(t, public, pkg+"Authenticate", &pb.AuthenticateRequest{}, &pb.AuthenticateResponse{})
		expect(t, "public gRPC, "+pkg, err, codes.Unimplemented, "")
	}
	for _, m := range []string{"/yandex.cloud.iam.v1.IamTokenService/Create", "/yandex.cloud.endpoint.ApiEndpointService/List"} {
		err := call(t, w.conn, m, &pb.AuthenticateRequest{}, &pb.AuthenticateResponse{})
		expect(t, "access listener, "+m, err, codes.Unimplemented, "")
	}
}
