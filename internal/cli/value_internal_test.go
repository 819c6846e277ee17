package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestValues(t *testing.T) {
	for _, c := range []struct {
		into        proto.Message
		field, text string
		want        proto.Message // nil: refused
	}{
		{&iampb.CreateServiceAccountRequest{}, "name", "a b", &iampb.CreateServiceAccountRequest{Name: "a b"}},
		{&iampb.CreateServiceAccountRequest{}, "labels", "a=b,c=", &iampb.CreateServiceAccountRequest{Labels: map[string]string{"a": "b", "c": ""}}},
		{&iampb.CreateServiceAccountRequest{}, "labels", "a=b, c=d=e", &iampb.CreateServiceAccountRequest{Labels: map[string]string{"a": "b", "c": "d=e"}}},
		{&iampb.CreateServiceAccountRequest{}, "labels", "a", nil},
		{&iampb.CreateServiceAccountRequest{}, "labels", "a=b, =c", nil},
		{&iampb.CreateServiceAccountRequest{}, "expires_at", "2030-01-02T03:04:05+03:00", &iampb.CreateServiceAccountRequest{
			ExpiresAt: timestamppb.New(time.Date(2030, 1, 2, 0, 4, 5, 0, time.UTC))}},
		{&iampb.CreateServiceAccountRequest{}, "expires_at", "tomorrow", nil},
		{&iampb.CreateApiKeyRequest{}, "scopes", "a, b,,c", &iampb.CreateApiKeyRequest{Scopes: []string{"a", "b", "c"}}},
		{&iampb.CreateKeyRequest{}, "key_algorithm", "rsa-4096", &iampb.CreateKeyRequest{KeyAlgorithm: iampb.Key_RSA_4096}},
		{&iampb.CreateKeyRequest{}, "key_algorithm", "RSA_2048", &iampb.CreateKeyRequest{KeyAlgorithm: iampb.Key_RSA_2048}},
		{&iampb.CreateKeyRequest{}, "key_algorithm", "dsa", nil},
		{&iampb.ListKeysRequest{}, "page_size", "7", &iampb.ListKeysRequest{PageSize: 7}},
		{&iampb.ListKeysRequest{}, "page_size", "seven", nil},
		{&awspb.CreateEphemeralAccessKeyRequest{}, "duration", "1h30m", &awspb.CreateEphemeralAccessKeyRequest{Duration: durationpb.New(90 * time.Minute)}},
		{&awspb.CreateEphemeralAccessKeyRequest{}, "duration", "long", nil},
	} {
		m := c.into.ProtoReflect()
		err := (&value{into: m, field: m.Descriptor().Fields().ByName(protoreflect.Name(c.field))}).Set(c.text)
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s %q: %v", c.field, c.text, err)
		}
		if c.want != nil {
			if d := cmp.Diff(c.want, c.into, protocmp.Transform()); d != "" {
				t.Errorf("%s %q:\n%s", c.field, c.text, d)
			}
		}
	}
}

func TestMasked(t *testing.T) {
	for _, m := range []proto.Message{
		&iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: "secret"}},
		&iampb.CreateIamTokenResponse{IamToken: "secret"},
		&iampb.CreateApiKeyResponse{ApiKey: &iampb.ApiKey{Id: "x"}, Secret: "secret"},
		&iampb.CreateKeyResponse{PrivateKey: "secret"},
		&awspb.CreateEphemeralAccessKeyResponse{Secret: "secret", SessionToken: "secret"},
	} {
		if text := masked(m); strings.Contains(text, `"secret"}`) || strings.Contains(text, `:"secret"`) || !strings.Contains(text, "*** hidden ***") {
			t.Errorf("%s", text)
		}
	}
}

// TestClocks: what is told of the difference between two clocks.
func TestClocks(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for issued, want := range map[time.Duration]string{
		0: "", 30 * time.Second: "", -30 * time.Second: "",
		time.Hour:  "your clock differs from the server's by 1h0m0s (yours is behind)",
		-time.Hour: "your clock differs from the server's by 1h0m0s (yours is ahead)",
	} {
		var b bytes.Buffer
		s := &session{env: &Environment{Stderr: &b}}
		s.compareClocks(now.Add(issued), now, now)
		s.compareClocks(now.Add(issued), now, now)
		if got := b.String(); (want == "") != (got == "") || !strings.Contains(got, want) || strings.Count(got, "differs") > 1 {
			t.Errorf("%v: %q", issued, got)
		}
	}
}
