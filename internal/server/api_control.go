package server

import (
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
)

// controlArea is the services that a cloud uses.
var controlArea = area{
	rules: iamapi.ServiceControlRules,
	register: func(s *Server, k kit, r *gate.Registrar) {
		iampb.RegisterServiceControlServiceServer(r, &iamapi.ServiceControlService{DB: s.db, Changes: k.changes, Pages: k.pages})
	},
}
