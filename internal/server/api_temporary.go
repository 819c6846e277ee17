package server

import (
	"slices"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"

	temporaryapi "github.com/propusk/propusk/internal/cloudapi/temporary"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/mint"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// temporaryArea is access keys that end by themselves.
var temporaryArea = area{
	rules: slices.Concat(temporaryapi.EphemeralRules, temporaryapi.SecurityTokenRules),
	register: func(s *Server, _ kit, r *gate.Registrar) {
		awspb.RegisterTemporaryAccessKeyServiceServer(r, &temporaryapi.EphemeralService{
			Sessions: mint.NewSessions(s.keyring, s.now), Accounts: s.replica, Now: s.now})
		propuskpb.RegisterSecurityTokenServiceServer(r, s.securityTokens())
	},
	proofs: func(s *Server, _ kit) (map[string]bodyProof, error) { return s.signedRequestProofs(), nil },
}
