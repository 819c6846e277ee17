package server

import (
	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"

	"github.com/propusk/propusk/internal/gate"
)

// quotaArea is quotas and requests for more.
var quotaArea = area{
	rules: gate.MissingRules("yandex.cloud.quotamanager.v1.QuotaLimitService", "yandex.cloud.quotamanager.v1.QuotaRequestService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		quotapb.RegisterQuotaLimitServiceServer(r, quotapb.UnimplementedQuotaLimitServiceServer{})
		quotapb.RegisterQuotaRequestServiceServer(r, quotapb.UnimplementedQuotaRequestServiceServer{})
	},
}
