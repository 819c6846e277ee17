package accessservice_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

func wireOf(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is read quickly is what the framework reads.
func FuzzDecode(f *testing.F) {
	usual := wireOf(f, withToken("t1.a.b", "ydb.databases.get", "ydb.table", "t", "ydb.database", "db"))
	for _, seed := range [][]byte{
		nil, usual, append(usual[len(usual)-8:len(usual):len(usual)], usual[:len(usual)-8]...), slices.Concat(usual, usual), usual[:len(usual)-1], slices.Concat(usual, []byte{0x58, 1}),
		wireOf(f, as(person("x"), "p", "a", "b")), wireOf(f, withToken("", "", "", "")),
		wireOf(f, withToken("t1.я.b", "p", "я", "b")), []byte("\x12\x01\xff"), []byte("\x12\x01a\x22\x00\x22\x01b"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, want := &pb.AuthorizeRequest{}, &pb.AuthorizeRequest{}
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

func TestDecodeIsQuickForTheUsual(t *testing.T) {
	usual := withToken("t1.a.b", "ydb.databases.get", "ydb.table", "t", "ydb.database", "db", "resource-manager.folder", "b1g")
	wire := wireOf(t, usual)
	token := len("..t1.a.b") // which Go writes last, and other languages first
	for _, wire := range [][]byte{wire, slices.Concat(wire[len(wire)-token:], wire[:len(wire)-token])} {
		got := &pb.AuthorizeRequest{}
		if !(accessservice.AccessService{}).Decode(wire, got) || !proto.Equal(got, usual) {
			t.Errorf("%x: %v", wire, got)
		}
	}
	for name, m := range map[string]proto.Message{
		"another message": &pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: "x"}},
		"a subject":       as(person("x"), "p", "a", "b"),
		"a long path":     withToken("t", "p", strings.Fields(strings.Repeat("a b ", 9))...),
		"nothing":         &pb.AuthorizeRequest{},
	} {
		if (accessservice.AccessService{}).Decode(wireOf(t, m), m.ProtoReflect().New().Interface()) {
			t.Errorf("%s was read quickly", name)
		}
	}
}
