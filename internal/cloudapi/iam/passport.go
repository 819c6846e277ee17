package iam

import (
	"context"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// PassportRules are the rows of YandexPassportUserAccountService.
var PassportRules = gate.Rules("yandex.cloud.iam.v1.YandexPassportUserAccountService",
	gate.Rule{Method: "GetByLogin", Why: "everyone who is proved may look a person up; what strangers see is the login"},
)

// PassportService is yandex.cloud.iam.v1.YandexPassportUserAccountService.
type PassportService struct {
	iampb.UnimplementedYandexPassportUserAccountServiceServer
	DB *store.DB
}

// GetByLogin returns a person by login, letter for letter, or by e-mail address.
func (s *PassportService) GetByLogin(ctx context.Context, r *iampb.GetUserAccountByLoginRequest) (*iampb.UserAccount, error) {
	return showUser(ctx, s.DB, func(tx *store.Tx) (*iam.UserAccount, error) {
		return store.GetUserAccountByLogin(tx, r.GetLogin())
	})
}
