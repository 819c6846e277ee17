package server

import (
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
)

// policyArea is deny rules, and where a subject has access.
var policyArea = area{
	rules: gate.MissingRules("yandex.cloud.iam.v1.AccessPolicyTemplateService", "yandex.cloud.iam.v1.AccessAnalyzerService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		iampb.RegisterAccessPolicyTemplateServiceServer(r, iampb.UnimplementedAccessPolicyTemplateServiceServer{})
		iampb.RegisterAccessAnalyzerServiceServer(r, iampb.UnimplementedAccessAnalyzerServiceServer{})
	},
}
