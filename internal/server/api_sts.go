package server

import (
	"context"

	temporaryapi "github.com/propusk/propusk/internal/cloudapi/temporary"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/mint"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// securityTokens are the calls behind the STS door.
func (s *Server) securityTokens() *temporaryapi.SecurityTokenService {
	return &temporaryapi.SecurityTokenService{
		Make: mint.NewSessions(s.keyring, s.now).Make,
		KeyID: func(ctx context.Context, id string) (string, error) {
			k, err := s.replica.AccessKey(ctx, id)
			if err != nil {
				return "", err
			}
			return k.KeyID, nil
		},
	}
}

// signedRequestProofs prove the callers of the STS door, and note the use of
// their static keys.
func (s *Server) signedRequestProofs() map[string]bodyProof {
	prover := s.accessKeyProver()
	prove := temporaryapi.STSProof(func(ctx context.Context, signature credential.Signature) (*credential.Identity, error) {
		id, err := prover.Prove(ctx, signature)
		if err == nil {
			s.noteAccessKey(id)
		}
		return id, err
	}, s.now)
	return map[string]bodyProof{
		propuskpb.SecurityTokenService_AssumeRole_FullMethodName:        prove,
		propuskpb.SecurityTokenService_GetCallerIdentity_FullMethodName: prove,
	}
}
