package server

import (
	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// revocationArea is the ending of tokens by what they were made from.
var revocationArea = area{
	rules: iamapi.RevocationRules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterRevocationServiceServer(r, &iamapi.RevocationService{
			DB: k.changes.DB, Changes: k.changes, Session: s.keyring.OpenSession, Now: s.now})
	},
}
