package server

import (
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// idTokenArea is ID tokens of service accounts.
var idTokenArea = area{
	rules: gate.MissingRules("propusk.v1.IdTokenService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		propuskpb.RegisterIdTokenServiceServer(r, propuskpb.UnimplementedIdTokenServiceServer{})
	},
}
