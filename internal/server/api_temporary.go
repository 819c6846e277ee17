package server

import (
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"

	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// temporaryArea is access keys that end by themselves.
var temporaryArea = area{
	rules: gate.MissingRules("yandex.cloud.iam.v1.awscompatibility.TemporaryAccessKeyService", "propusk.v1.SecurityTokenService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		awspb.RegisterTemporaryAccessKeyServiceServer(r, awspb.UnimplementedTemporaryAccessKeyServiceServer{})
		propuskpb.RegisterSecurityTokenServiceServer(r, propuskpb.UnimplementedSecurityTokenServiceServer{})
	},
}
