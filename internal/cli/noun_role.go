package cli

import (
	"context"
	"flag"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"errors"
	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

func roleNode() node {
	return node{word: "role", aliases: []string{"roles"}, summary: "the roles that there are", below: []node{
		rpc{method: iampb.RoleService_Get_FullMethodName, subject: &subject{thing: "role", field: "role_id"}}.gets("show a role"),
		rpc{method: iampb.RoleService_List_FullMethodName, options: []option{filter()}, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "DESCRIPTION", Field: "description"},
		}}.lists("list", "list the roles"),
	}}
}

func userAccountNode() node {
	return node{word: "user-account", aliases: []string{"user-accounts"}, summary: "people", below: []node{
		leaf(command{verb: "get", takes: "ID|LOGIN", summary: "show a person", flags: getUser}),
	}}
}

func getUser(f *flag.FlagSet) action {
	id := f.String("id", "", "id of the person; may stand beside the flags")
	login := f.String("login", "", "login of the person; may stand beside the flags")
	return func(ctx context.Context, s *session, args []string) error {
		byLogin := func(text string) error {
			return s.show(ctx, iampb.YandexPassportUserAccountService_GetByLogin_FullMethodName, &iampb.GetUserAccountByLoginRequest{Login: text}, new(iampb.UserAccount))
		}
		if *login != "" {
			if len(args) > 0 || *id != "" {
				return misuse("name one person")
			}
			return byLogin(*login)
		}
		text, err := oneID(*id, args)
		if err != nil {
			return err
		}
		if *id == "" && !looksLikeID(text) {
			return byLogin(text)
		}
		err = s.show(ctx, iampb.UserAccountService_Get_FullMethodName, &iampb.GetUserAccountRequest{UserAccountId: text}, new(iampb.UserAccount))
		if f, ok := errors.AsType[*Failure](err); *id == "" && ok && f.Code == iam.NotFound && byLogin(text) == nil {
			return nil
		}
		return err
	}
}
