package cli

import (
	"context"
	"errors"
	"flag"
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

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
		person(),
	}}
}

func person() node {
	n := leaf(command{verb: "get", takes: "ID|LOGIN [ID|LOGIN…]", summary: "show a person", flags: getUser})
	n.aliases = []string{"describe", "show"}
	return n
}

func getUser(f *flag.FlagSet) action {
	id := f.String("id", "", "id of the person; may stand beside the flags")
	login := f.String("login", "", "login of the person; may stand beside the flags")
	return func(ctx context.Context, s *session, args []string) error {
		var people []named
		for _, a := range args {
			people = append(people, named{a, ""})
		}
		if *id != "" {
			people = append(people, named{*id, "id"})
		}
		if *login != "" {
			people = append(people, named{*login, "name"})
		}
		if len(people) == 0 || slices.Contains(args, "") {
			return misuse("name the person: ID|LOGIN")
		}
		return s.together(ctx, people, func(n named) error { return s.showPerson(ctx, n) })
	}
}

// showPerson shows who has an id or a login. What looks like an id is one,
// unless nobody has it.
func (s *session) showPerson(ctx context.Context, n named) error {
	byLogin := func() error {
		return s.show(ctx, iampb.YandexPassportUserAccountService_GetByLogin_FullMethodName, &iampb.GetUserAccountByLoginRequest{Login: n.text}, new(iampb.UserAccount))
	}
	if n.how == "name" || n.how == "" && !looksLikeID(n.text) {
		return byLogin()
	}
	err := s.show(ctx, iampb.UserAccountService_Get_FullMethodName, &iampb.GetUserAccountRequest{UserAccountId: n.text}, new(iampb.UserAccount))
	if f, ok := errors.AsType[*Failure](err); n.how == "" && ok && f.Code == iam.NotFound && byLogin() == nil {
		return nil
	}
	return err
}
