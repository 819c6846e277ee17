package iam

import (
	"context"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// UserAccountRules are the rows of UserAccountService.
var UserAccountRules = gate.Rules("yandex.cloud.iam.v1.UserAccountService",
	gate.Rule{Method: "Get", Why: "everyone who is proved may look a person up; what strangers see is the login"},
)

// UserAccountService is yandex.cloud.iam.v1.UserAccountService.
type UserAccountService struct {
	iampb.UnimplementedUserAccountServiceServer
	DB *store.DB
}

// Get returns a person by id.
func (s *UserAccountService) Get(ctx context.Context, r *iampb.GetUserAccountRequest) (*iampb.UserAccount, error) {
	return showUser(ctx, s.DB, func(tx *store.Tx) (*iam.UserAccount, error) {
		return store.GetUserAccount(tx, r.GetUserAccountId())
	})
}

// showUser shows a person: id and login to everyone, the rest to himself and to
// those who have to do with one of his organizations.
func showUser(ctx context.Context, db *store.DB, find func(tx *store.Tx) (*iam.UserAccount, error)) (*iampb.UserAccount, error) {
	var u *iam.UserAccount
	var organizations []string
	err := db.View(ctx, func(tx *store.Tx) (err error) {
		if u, err = find(tx); err != nil {
			return err
		}
		organizations, err = store.OrganizationsOf(tx, iam.SubjectID(u.ID))
		return err
	})
	if err != nil {
		return nil, err
	}
	near := gate.From(ctx).Caller().ID == iam.SubjectID(u.ID)
	for _, id := range organizations {
		if near {
			break
		}
		if near, err = gate.Knows(ctx, id); err != nil {
			return nil, err
		}
	}
	shown := &iampb.YandexPassportUserAccount{Login: u.Login}
	out := &iampb.UserAccount{Id: u.ID, UserAccount: &iampb.UserAccount_YandexPassportUserAccount{YandexPassportUserAccount: shown}}
	if near {
		shown.DefaultEmail = u.Email
		out.LastAuthenticatedAt = cloudapi.Time(u.LastAuthenticatedAt)
	}
	return out, nil
}
