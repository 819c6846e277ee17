package gate_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/gate"
	v2 "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
	v1 "github.com/propusk/propusk/proto/yandex/cloud/priv/servicecontrol/v1"
)

// What a service calls obvious keeps the rules of its descriptor.
func TestObviousIsValid(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "x", "ydb.database", strings.Repeat("x", 50), strings.Repeat("x", 51), strings.Repeat("я", 50), strings.Repeat("x", 64),
		strings.Repeat("x", 65), strings.Repeat("x", 128), strings.Repeat("x", 129), strings.Repeat("x", 1024), strings.Repeat("x", 1025), "a\x00b", "a\xffb"}
	text := func(good string) string {
		if random.IntN(8) > 0 {
			return good
		}
		return texts[random.IntN(len(texts))]
	}
	lengths := []int{0, 1, 2, 3, 128, 129}
	message := func() proto.Message {
		var path []*v2.Resource
		for range lengths[random.IntN(len(lengths))] {
			path = append(path, &v2.Resource{Id: text("b1g"), Type: text("resource-manager.folder")})
		}
		switch random.IntN(5) {
		case 0:
			return &v2.AuthenticateRequest{Credentials: &v2.AuthenticateRequest_IamToken{IamToken: text("t1.a.b")}}
		case 1:
			return &v2.AuthenticateRequest{Credentials: &v2.AuthenticateRequest_ApiKey{ApiKey: text("AQVN")}}
		case 2:
			s := &v2.AccessKeySignature{AccessKeyId: text("YCa"), StringToSign: text(strings.Repeat("x", 8192)), Signature: text("0a")}
			at := []*timestamppb.Timestamp{{Seconds: 1}, {Seconds: 1 << 60}, {Nanos: -1}, nil}[random.IntN(4)]
			if random.IntN(8) > 0 {
				s.Parameters = &v2.AccessKeySignature_V4Parameters{V4Parameters: &v2.AccessKeySignature_Version4Parameters{
					SignedAt: at, Service: text("s3"), Region: text("ru-central1")}}
			}
			return &v2.AuthenticateRequest{Credentials: &v2.AuthenticateRequest_Signature{Signature: s}}
		case 3:
			return &v2.AuthorizeRequest{Permission: text("a.b.c"), ResourcePath: path,
				Identity: &v2.AuthorizeRequest_Subject{Subject: &v2.Subject{}}}
		}
		return &v2.AuthorizeRequest{Permission: text("a.b.c"), ResourcePath: path, Identity: &v2.AuthorizeRequest_IamToken{IamToken: text("t1.a.b")}}
	}
	count, signatures := 0, 0
	for range 20_000 {
		m := message()
		if !(accessservice.AccessService{}).Obvious(m) {
			continue
		}
		count++
		if a, ok := m.(*v2.AuthenticateRequest); ok && a.GetSignature() != nil {
			signatures++
		}
		if err := gate.Validate(m); err != nil {
			t.Fatalf("%v is called obvious: %v", m, err)
		}
		other := olderTwin(t, m)
		if !(accessservice.ServiceControl{}).Obvious(other) {
			t.Fatalf("%v is not obvious, %v is", other, m)
		}
		if err := gate.Validate(other); err != nil {
			t.Fatalf("%v is called obvious: %v", other, err)
		}
	}
	if count < 1000 || signatures < 100 {
		t.Errorf("only %d messages were obvious, %d of them signatures", count, signatures)
	}
}

// olderTwin is the same message of the older package.
func olderTwin(t *testing.T, m proto.Message) proto.Message {
	t.Helper()
	var out proto.Message = &v1.AuthorizeRequest{}
	if _, ok := m.(*v2.AuthenticateRequest); ok {
		out = &v1.AuthenticateRequest{}
	}
	wire, err := proto.Marshal(m)
	if err == nil {
		err = proto.Unmarshal(wire, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
