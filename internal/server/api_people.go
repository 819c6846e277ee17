package server

import (
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
)

// peopleArea is what one may ask about subjects.
var peopleArea = area{
	rules: slices.Concat(iamapi.UserAccountRules, iamapi.PassportRules, iamapi.SubjectRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		iampb.RegisterUserAccountServiceServer(r, &iamapi.UserAccountService{DB: s.db})
		iampb.RegisterYandexPassportUserAccountServiceServer(r, &iamapi.PassportService{DB: s.db})
		iampb.RegisterSubjectDetailsServiceServer(r, &iamapi.SubjectService{DB: s.db, Pages: k.pages, Now: s.now})
	},
}
