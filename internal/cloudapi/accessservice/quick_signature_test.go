package accessservice_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

func usualSignature() *pb.AuthenticateRequest {
	return &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: &pb.AccessKeySignature{
		AccessKeyId: "YCa", StringToSign: "AWS4-HMAC-SHA256\n…", Signature: "0a",
		Parameters: &pb.AccessKeySignature_V4Parameters{V4Parameters: &pb.AccessKeySignature_Version4Parameters{
			SignedAt: &timestamppb.Timestamp{Seconds: 1793534400}, Service: "s3", Region: "ru-central1"}}}}}
}

// A signature that is read quickly is what the framework reads.
func FuzzDecodeSignature(f *testing.F) {
	usual := wireOf(f, usualSignature())
	if got := (&pb.AuthenticateRequest{}); !(accessservice.AccessService{}).Decode(usual, got) || !proto.Equal(got, usualSignature()) {
		f.Fatalf("the usual signature is not read quickly: %v", got)
	}
	finer := usualSignature()
	finer.GetSignature().GetV4Parameters().SignedAt.Nanos = 1
	old := usualSignature()
	old.GetSignature().Parameters = &pb.AccessKeySignature_V2Parameters{V2Parameters: &pb.AccessKeySignature_Version2Parameters{SignatureMethod: 1}}
	for _, seed := range [][]byte{
		nil, usual, usual[:len(usual)-1], slices.Concat(usual, usual), slices.Concat(usual, []byte{0x58, 1}), wireOf(f, finer), wireOf(f, old),
		wireOf(f, &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: "t1.a.b"}}),
		wireOf(f, &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_Signature{Signature: &pb.AccessKeySignature{}}}),
		slices.Replace(slices.Clone(usual), 4, 5, 0xff), {0x12, 0}, {0x12, 2, 0x2a, 0},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, want := &pb.AuthenticateRequest{}, &pb.AuthenticateRequest{}
		if !(accessservice.AccessService{}).Decode(wire, got) {
			if !proto.Equal(got, want) {
				t.Errorf("%x was left to the framework half read: %v", wire, got)
			}
			return
		}
		if err := proto.Unmarshal(wire, want); err != nil || !proto.Equal(got, want) {
			t.Errorf("%x was read as %v, is %v, %v", wire, got, want, err)
		}
	})
}
