package gate

import (
	"context"
	"errors"

	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quota"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/propusk/propusk/internal/iam"
)

// awsDomain is that of ErrorInfo whose reason is a code of AWS.
const awsDomain = "aws"

// maxMessage is the longest text of a status in bytes. gRPC sends it in a
// header, and some texts repeat an id that the caller made up.
const maxMessage = 4 << 10

// Status is the one map from errors to the wire: an iam.Error shows its text,
// field violations, exceeded quota, AWS's code and retry delay; anything else
// becomes INTERNAL and keeps its text to itself. What looks like a credential in a text is hidden. Every
// status carries RequestInfo [API fact: error body].
func Status(err error, requestID string) *spb.Status {
	out := &spb.Status{}
	var details []proto.Message
	var e *iam.Error
	switch {
	case errors.As(err, &e):
		out.Code, out.Message = int32(e.Kind), iam.Conceal(shorten(e.Message, maxMessage))
		if len(e.Fields) > 0 {
			bad := &errdetails.BadRequest{}
			for _, f := range e.Fields {
				bad.FieldViolations = append(bad.FieldViolations,
					&errdetails.BadRequest_FieldViolation{Field: iam.Conceal(f.Field), Description: iam.Conceal(f.Description)})
			}
			details = append(details, bad)
		}
		if q := e.Quota; q != nil {
			details = append(details, &quotapb.QuotaFailure{Violations: []*quotapb.QuotaFailure_Violation{{
				Metric: &quotapb.QuotaMetric{Name: q.Metric, Limit: q.Limit, Usage: float64(q.Usage)}, Required: q.Required}}})
		}
		if e.AWS != "" {
			details = append(details, &errdetails.ErrorInfo{Reason: e.AWS, Domain: awsDomain})
		}
		if e.RetryAfter > 0 {
			details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
		}
	case errors.Is(err, context.Canceled):
		out.Code, out.Message = int32(iam.Canceled), "The call was cancelled by the client"
	case errors.Is(err, context.DeadlineExceeded):
		out.Code, out.Message = int32(iam.DeadlineExceeded), "The call took longer than its deadline"
	default:
		if s, ok := status.FromError(err); ok && err != nil {
			// The framework's own refusals, such as a message it could not decode.
			out.Code, out.Message = int32(s.Code()), iam.Conceal(s.Message())
			break
		}
		out.Code, out.Message = int32(iam.Internal), "Internal error; the request id leads to its cause in the server's log"
	}
	details = append(details, &errdetails.RequestInfo{RequestId: requestID})
	for _, d := range details {
		if a, err := anypb.New(d); err == nil {
			out.Details = append(out.Details, a)
		}
	}
	return out
}
