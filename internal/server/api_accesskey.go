package server

import (
	"context"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/seal"
)

// proveSignature proves signatures of static access keys that other services
// were shown, and notes the use of the keys.
func (s *Server) proveSignature() accessservice.Proof {
	prover := &credential.AccessKey{Reads: s.replica, Now: s.now}
	return func(ctx context.Context, c accessservice.Claim) (*credential.Identity, error) {
		id, err := prover.Prove(ctx, *c.Signature)
		if err == nil {
			s.used.note(usedAccessKey, id.CredentialID, string(id.Subject.ID), s.now())
		}
		return id, err
	}
}

func (s *Server) accountOfAccessKey(ctx context.Context, id string) (string, error) {
	k, err := s.replica.AccessKey(ctx, id)
	if err != nil {
		return "", err
	}
	return k.ServiceAccountID, nil
}

// openSealed opens a secret for the replica, which is made before the box is.
func (s *Server) openSealed(at seal.Place, sealed []byte) ([]byte, error) {
	return s.box.Open(at, sealed)
}
