package server

import (
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
)

// peopleArea is what one may ask about subjects.
var peopleArea = area{
	rules: gate.MissingRules("yandex.cloud.iam.v1.UserAccountService", "yandex.cloud.iam.v1.YandexPassportUserAccountService", "yandex.cloud.iam.v1.SubjectDetailsService"),
	register: func(_ *Server, _ kit, r *gate.Registrar) {
		iampb.RegisterUserAccountServiceServer(r, iampb.UnimplementedUserAccountServiceServer{})
		iampb.RegisterYandexPassportUserAccountServiceServer(r, iampb.UnimplementedYandexPassportUserAccountServiceServer{})
		iampb.RegisterSubjectDetailsServiceServer(r, iampb.UnimplementedSubjectDetailsServiceServer{})
	},
}
