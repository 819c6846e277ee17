package rest_test

import (
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/rest"
)

// What the short way takes, protojson takes, and to the same message.
func TestDecodePlain(t *testing.T) {
	for body, short := range map[string]bool{
		`{}`:                                 true,
		` { } `:                              true,
		`{"jwt":"a.b"}`:                      true,
		" {\n\t\"jwt\" : \"a.b\"\r} ":        true,
		`{"yandexPassportOauthToken":"x"}`:   true,
		`{"yandex_passport_oauth_token":""}`: true,
		`{"jwt":"a","jwt":"b"}`:              false,
		`{"jwt":"","jwt":""}`:                false,
		`{"jwt":"a","yandexPassportOauthToken":"b"}`:  false,
		`{"yandex_passport_oauth_token":"","jwt":""}`: false,
		`{"jwt":null}`:       false,
		`{"jwt":1}`:          false,
		`{"jwt":"a\u0062"}`:  false,
		`{"j\u0077t":"a"}`:   false,
		`{"jwt":"é"}`:        false,
		"{\"jwt\":\"a\nb\"}": false,
		"{\"jwt\":\"\x80\"}": false,
		"{\"jwt\":\"\x7f\"}": false,
		`{"jwt":"a"`:         false,
		`{"jwt":"a"}x`:       false,
		`{"jwt":"a",}`:       false,
		`{"jwt" "a"}`:        false,
		`{"jwt":"a}`:         false,
		`{"unknown":"a"}`:    false,
		`[]`:                 false,
		`"a"`:                false,
		``:                   false,
		`{"a":"","b":"","c":"","d":"","e":"","f":"","g":""}`:    false,
		`{"jwt":"a"} {"jwt":"b"}`:                               false,
		"{\"jwt\":\"a\",\"yandexPassportOauthToken\":\"\x00\"}": false,
	} {
		m := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: "left over"}}
		if got := rest.DecodePlain([]byte(body), m); got != short {
			t.Errorf("%q: taken %v, want %v", body, got, short)
		}
		if short {
			same(t, []byte(body), m)
		}
	}
	if rest.DecodePlain([]byte(`{}`), &structpb.Struct{}) || rest.DecodePlain([]byte(`{}`), &timestamppb.Timestamp{}) {
		t.Error("a type with a JSON of its own was taken")
	}
}

func same(t *testing.T, body []byte, m proto.Message) {
	t.Helper()
	want := m.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(body, want); err != nil || !proto.Equal(m, want) {
		t.Errorf("%q: got %v; protojson makes of it %v, error %v", body, m, want, err)
	}
}

func FuzzDecodePlain(f *testing.F) {
	f.Add([]byte(`{"id":"a","name":"b","description":"c"}`), uint8(0))
	f.Add([]byte(`{"serviceAccountId" : "a", "name":""}`), uint8(1))
	f.Add([]byte(`{"jwt":"a"}`), uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		m := fuzzed[int(which)%len(fuzzed)].ProtoReflect().New().Interface()
		if rest.DecodePlain(body, m) {
			same(t, body, m)
		}
	})
}

// What the short way writes is what protojson writes, without its spaces.
func TestAppendPlain(t *testing.T) {
	at := func(s, ns int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: s, Nanos: int32(ns)} }
	for _, c := range []struct {
		m     proto.Message
		short bool
	}{
		{&iampb.CreateIamTokenResponse{}, true},
		{&iampb.CreateIamTokenResponse{IamToken: "t1.x.y"}, true},
		{&iampb.CreateIamTokenResponse{IamToken: "t1.x.y", ExpiresAt: at(1767323045, 600_000_000)}, true},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(0, 0)}, true},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(-1, 1)}, true},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(253402300799, 999_999_000)}, true},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(-62135596800, 1_000)}, true},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(1000, 100_100_000)}, true},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(253402300800, 0)}, false},
		{&iampb.CreateIamTokenResponse{ExpiresAt: at(0, -1)}, false},
		{&iampb.CreateIamTokenResponse{IamToken: `a"b`}, false},
		{&iampb.CreateIamTokenResponse{IamToken: "é"}, false},
		{&iampb.Key{Id: "a", Subject: &iampb.Key_ServiceAccountId{ServiceAccountId: "b"}, CreatedAt: at(1, 0), PublicKey: "c"}, true},
		{&iampb.Key{Id: "a", KeyAlgorithm: iampb.Key_RSA_2048}, false},
		{&iampb.ServiceAccount{Id: "a", Labels: map[string]string{"b": "c"}}, false},
		{&iampb.ListKeysResponse{Keys: []*iampb.Key{{Id: "a"}}}, false},
		{timestamppb.New(time.Unix(1, 0)), false},
	} {
		got, short := rest.AppendPlain(c.m)
		if short != c.short {
			t.Errorf("%v: taken %v, want %v", c.m, short, c.short)
		}
		if !short {
			continue
		}
		want, err := protojson.Marshal(c.m)
		if err != nil || got != rest.Compact(string(want)) {
			t.Errorf("got %s, protojson writes %s, error %v", got, want, err)
		}
	}
}

func FuzzAppendPlain(f *testing.F) {
	f.Add("t1.a.b", int64(0), int32(0))
	f.Add("\"", int64(1767323045), int32(600_000_000))
	f.Add("~\x7f", int64(-62135596801), int32(1))
	f.Fuzz(func(t *testing.T, text string, seconds int64, nanos int32) {
		m := &iampb.CreateIamTokenResponse{IamToken: text, ExpiresAt: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}}
		got, ok := rest.AppendPlain(m)
		if !ok {
			return
		}
		want, err := protojson.Marshal(m)
		if err != nil || strings.ReplaceAll(string(want), `", "`, `","`) != got && rest.Compact(string(want)) != got {
			t.Fatalf("got %s, protojson writes %s, error %v", got, want, err)
		}
	})
}
