package temporary

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// stsService is what the scope of a signature must name: one that was made for
// another service, which may be anybody's, asks for no keys here.
const stsService = "sts"

// stsWindow is how long a signature may be used here, whatever life a presigned
// request was given: one of seven days would be a key to keys for as long.
const stsWindow = 15 * time.Minute

// STSProof proves who signed the request inside a message of
// SecurityTokenService. Only version 4 will do, whose signature covers the
// query and, with its hash, the body: version 2 leaves both open.
func STSProof(prove func(context.Context, credential.Signature) (*credential.Identity, error), now func() time.Time) func(context.Context, proto.Message) (*credential.Identity, error) {
	return func(ctx context.Context, m proto.Message) (*credential.Identity, error) {
		r := m.(interface {
			GetRequest() *propuskpb.SignedRequest
		}).GetRequest()
		if r.GetPayloadSha256() == "" {
			return nil, refuseSignature("signature_payload", "The SHA-256 of the request's body is missing")
		}
		signature, err := credential.ReadRequest(requestOf(r), now())
		switch {
		case err != nil:
			return nil, err
		case signature.V2 != "":
			return nil, refuseSignature("signature_method", "Only signatures of AWS's version 4 are accepted here")
		case signature.Service != stsService:
			return nil, refuseSignature("signature_service", "The signature was made for another service: its scope must name the service 'sts'")
		case now().Sub(signature.SignedAt) > stsWindow:
			return nil, refuseSignature("signature_expired", "The signature has expired: it is accepted for 15 minutes, a presigned request's too")
		}
		return prove(ctx, signature)
	}
}

func requestOf(r *propuskpb.SignedRequest) *credential.HTTPRequest {
	out := &credential.HTTPRequest{
		Method: r.GetMethod(), Target: r.GetTarget(), PayloadSHA256: r.GetPayloadSha256(),
		Header: make([]credential.HeaderField, len(r.GetHeaders())),
	}
	for i, h := range r.GetHeaders() {
		out.Header[i] = credential.HeaderField{Name: h.GetName(), Value: h.GetValue()}
	}
	return out
}

func refuseSignature(reason, text string) error {
	return &iam.Error{Kind: iam.Unauthenticated, Reason: reason, Message: text}
}
