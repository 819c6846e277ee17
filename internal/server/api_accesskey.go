package server

import (
	"context"

	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/seal"
)

// accessKeyProver proves signatures of static and temporary access keys.
func (s *Server) accessKeyProver() *credential.AccessKey {
	return &credential.AccessKey{Reads: s.replica, Now: s.now, Sessions: s.keyring, Ended: s.revoked.Ended}
}

// noteAccessKey notes the use of a static access key. That of a temporary one
// leaves no stamp, as that of an IAM token does not: it proves what was proved,
// and noted, when it was made, which is 12 hours ago at most.
func (s *Server) noteAccessKey(id *credential.Identity) {
	if id.Temporary == nil {
		s.used.note(usedAccessKey, id.CredentialID, string(id.Subject.ID), s.now())
	}
}

// proveSignature proves signatures of static access keys that other services
// were shown, and notes the use of the keys.
func (s *Server) proveSignature() accessservice.Proof {
	prover := s.accessKeyProver()
	return func(ctx context.Context, c accessservice.Claim) (*credential.Identity, error) {
		id, err := prover.Prove(ctx, *c.Signature)
		if err == nil {
			s.noteAccessKey(id)
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
