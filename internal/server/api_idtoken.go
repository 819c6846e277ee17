package server

import (
	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// idTokenArea is ID tokens of service accounts.
var idTokenArea = area{
	rules: iamapi.IDTokenRules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		propuskpb.RegisterIdTokenServiceServer(r, &iamapi.IDTokenService{
			DB: k.changes.DB, Keys: s.idKeys, Issuer: s.issuer, Now: s.now})
	},
}
