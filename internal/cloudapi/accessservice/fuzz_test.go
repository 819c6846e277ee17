package accessservice_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// raw sends bytes as they are.
type raw struct{ encoding.CodecV2 }

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// Whatever bytes come, the answer has a code that the service knows, and its
// text is one: nothing panics and nothing is INTERNAL.
func FuzzRequestBytes(f *testing.F) {
	w := newWorld(f)
	conn := dial(f, w.Server.Server.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	seed := func(m proto.Message, method byte) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(method, b)
	}
	seed(&pb.AuthenticateRequest{Credentials: &pb.AuthenticateRequest_IamToken{IamToken: w.token}}, 0)
	seed(withToken(w.token, "ydb.tables.select", db, w.database, folder, w.FolderID, gizmo, w.gizmo), 1)
	seed(as(anonymous(), "storage.objects.get", "storage.bucket", w.bucket), 1)
	seed(w.matrix(2, 2), 2)
	seed(w.actions("ydb.tables.select", "ydb.clusters.get"), 2)
	f.Add(byte(0), []byte{})
	f.Add(byte(1), []byte{0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	known := map[codes.Code]bool{codes.OK: true, codes.Unauthenticated: true, codes.PermissionDenied: true, codes.InvalidArgument: true}
	f.Fuzz(func(t *testing.T, method byte, body []byte) {
		name := []string{"Authenticate", "Authorize", "BulkAuthorize"}[method%3]
		for _, pkg := range []string{v1, v2} {
			var out []byte
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			err := conn.Invoke(ctx, pkg+name, body, &out)
			cancel()
			if s := status.Convert(err); !known[s.Code()] || strings.Contains(s.Message(), "Internal error") {
				t.Fatalf("%s%s of %q: %v", pkg, name, body, err)
			}
		}
	})
}

// What dev leaves for scripts names the listener.
func TestDevNamesTheListener(t *testing.T) {
	w := newWorld(t)
	if env := w.Server.Server.DevEnv(); !strings.Contains(env, "ACCESS_ENDPOINT="+w.Server.Server.AccessAddr()+"\n") || w.Server.Server.AccessAddr() == "" {
		t.Errorf("the environment is\n%s", env)
	}
}
