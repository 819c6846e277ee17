package accessservice_test

import (
	"context"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Whatever bytes come, the answer has a code that the service knows, nothing
// panics, nothing is INTERNAL, and what nobody signed is never allowed.
func FuzzS3Bytes(f *testing.F) {
	w := newWorld(f)
	conn := dial(f, w.Server.Server.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	nobody := s3Key{"YC00000000000000000000000", "nobody's", ""}
	for _, proof := range []any{nobody.request(time.Now(), "GET", "/bucket-of-ours/a", storageHost, "s3", ""), nobody.requestV2(time.Now(), "/bucket-of-ours/a", storageHost),
		nobody.text(time.Now(), "s3"), nobody.textV2(time.Now())} {
		b, err := proto.Marshal(w.get(proof))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	known := map[codes.Code]bool{codes.Unauthenticated: true, codes.PermissionDenied: true, codes.InvalidArgument: true}
	f.Fuzz(func(t *testing.T, body []byte) {
		var out []byte
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := conn.Invoke(ctx, s3Authorize, body, &out)
		s := status.Convert(err)
		if !known[s.Code()] || !utf8.ValidString(s.Message()) {
			t.Errorf("%s %q for %x", s.Code(), s.Message(), body)
		}
	})
}
