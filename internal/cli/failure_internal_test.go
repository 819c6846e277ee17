package cli

import (
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestFailureLines: a message of several lines is shown as such, each field is
// named once, and no line of a server passes for one of this program's.
func TestFailureLines(t *testing.T) {
	violation := func(field, text string) *errdetails.BadRequest {
		return &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: text}}}
	}
	for _, c := range []struct {
		message string
		detail  *errdetails.BadRequest
		want    string
	}{
		{"Validation failed:\n  - name: must match [a-z]", violation("name", "must match [a-z]"),
			"ERROR: rpc error: code = InvalidArgument desc = Validation failed:\n  - name: must match [a-z]\n\n\n"},
		{"Validation failed:\n  - name: must match [a-z]", violation("labels", "too many"),
			"ERROR: rpc error: code = InvalidArgument desc = Validation failed:\n  - name: must match [a-z]\n  labels: too many\n\n\n"},
		{"name: bad", violation("name", "bad"), "ERROR: rpc error: code = InvalidArgument desc = name: bad\n\n\n"},
		{"name: bad", violation("name", "ba"), "ERROR: rpc error: code = InvalidArgument desc = name: bad\n  name: ba\n\n\n"},
		{"no\nERROR: forged\n\nserver-request-id: forged\r\x1b[2J", &errdetails.BadRequest{},
			"ERROR: rpc error: code = InvalidArgument desc = no\n  ERROR: forged\n  server-request-id: forged\\r\\x1b[2J\n\n\n"},
		{"see t1.good.token\nand t1.good.token", violation("a", "b\nserver-request-id: forged"),
			"ERROR: rpc error: code = InvalidArgument desc = see ***\n  and ***\n  a: b\\nserver-request-id: forged\n\n\n"},
	} {
		server := newAnyServer(t, func(string, proto.Message) (proto.Message, error) {
			s, err := status.New(codes.InvalidArgument, c.message).WithDetails(c.detail)
			if err != nil {
				t.Fatal(err)
			}
			return nil, s.Err()
		})
		if _, stderr, code := server.run(t, Environment{}, "iam", "role", "list"); code != exitFailed || !strings.HasPrefix(stderr, c.want) {
			t.Errorf("%q: %d,\n%s\nwant\n%s", c.message, code, stderr, c.want)
		}
	}
}
