package kubernetesapi

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Proof proves the asking API server by the header that a kubeconfig makes it
// send: an IAM token, or, so that a file written once will do, an API key.
type Proof struct {
	Header func(ctx context.Context, authorization string) (*credential.Identity, error)
	APIKey func(ctx context.Context, key string) (*credential.Identity, error)
}

// apiKeys is how keys are told from tokens: each proof then says what is wrong
// with its own.
const apiKeys = "AQVN"

// Prove implements the proof of a ReviewTokenRequest.
func (p Proof) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	authorization := m.(*propuskpb.ReviewTokenRequest).GetAuthorization()
	scheme, value, _ := strings.Cut(authorization, " ")
	if key := strings.Trim(value, " "); strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(key, apiKeys) {
		return p.APIKey(ctx, key)
	}
	return p.Header(ctx, authorization)
}
