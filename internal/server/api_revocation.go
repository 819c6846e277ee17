package server

import (
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// revocationArea is the ending of tokens by what they were made from.
var revocationArea = area{
	rules: gate.MissingRules("propusk.v1.RevocationService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		propuskpb.RegisterRevocationServiceServer(r, propuskpb.UnimplementedRevocationServiceServer{})
	},
}
