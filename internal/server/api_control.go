package server

import (
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
)

// controlArea is the services that a cloud uses.
var controlArea = area{
	rules: gate.MissingRules("yandex.cloud.iam.v1.ServiceControlService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		iampb.RegisterServiceControlServiceServer(r, iampb.UnimplementedServiceControlServiceServer{})
	},
}
