package server

import (
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
)

// roleArea is the roles there are.
var roleArea = area{
	rules: gate.MissingRules("yandex.cloud.iam.v1.RoleService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		iampb.RegisterRoleServiceServer(r, iampb.UnimplementedRoleServiceServer{})
	},
}
