package server

import (
	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// leakArea is credentials that were found where they do not belong.
var leakArea = area{
	rules: gate.MissingRules("propusk.v1.LeakService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		propuskpb.RegisterLeakServiceServer(r, propuskpb.UnimplementedLeakServiceServer{})
	},
}
