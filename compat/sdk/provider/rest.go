package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/google/uuid"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// login finds a person.
func (p *provider) login(ctx context.Context, login string) (string, error) {
	out := &iam.UserAccount{}
	err := p.call(ctx, "yandex.cloud.iam.v1.YandexPassportUserAccountService.GetByLogin",
		&iam.GetUserAccountByLoginRequest{Login: login}, out)
	return out.GetId(), err
}

// dataSources reads what the provider's data sources read; what is not there
// is NOT_FOUND.
func (p *provider) dataSources(ctx context.Context) error {
	ids := map[string]bool{}
	for _, login := range []string{"alice", "bob"} {
		id, err := p.login(ctx, login)
		if err != nil {
			return fmt.Errorf("login %s: %w", login, err)
		}
		ids[id] = true
		out := &iam.UserAccount{}
		err = p.call(ctx, "yandex.cloud.iam.v1.UserAccountService.Get", &iam.GetUserAccountRequest{UserAccountId: id}, out)
		if err != nil || out.GetYandexPassportUserAccount().GetLogin() != login {
			return fmt.Errorf("account of %s is %v, %v", login, out, err)
		}
	}
	if len(ids) != 2 {
		return fmt.Errorf("two logins have the accounts %v", ids)
	}
	if _, err := p.login(ctx, "nobody-has-this-login"); status.Code(err) != codes.NotFound {
		return fmt.Errorf("an unknown login answers %v, want NotFound", err)
	}
	role := &iam.Role{}
	if err := p.call(ctx, "yandex.cloud.iam.v1.RoleService.Get", &iam.GetRoleRequest{RoleId: "viewer"}, role); err != nil || role.GetId() != "viewer" {
		return fmt.Errorf("role viewer is %v, %v", role, err)
	}
	err := p.call(ctx, "yandex.cloud.iam.v1.RoleService.Get", &iam.GetRoleRequest{RoleId: "nobody.has.this"}, role)
	if status.Code(err) != codes.NotFound {
		return fmt.Errorf("an unknown role answers %v, want NotFound", err)
	}
	return nil
}

// membership adds, reads and removes members of a group.
func (p *provider) membership(ctx context.Context) error {
	_, made, err := p.operate(ctx, group.service.Append("Create"), group.create(os.Getenv("ORGANIZATION_ID"), p.name+"-members"))
	if err != nil {
		return err
	}
	id := text(made, "id")
	alice, err := p.login(ctx, "alice")
	if err != nil {
		return err
	}
	for _, step := range []struct {
		action organizationmanager.MemberDelta_MemberAction
		want   []string
	}{
		{organizationmanager.MemberDelta_ADD, []string{alice + " userAccount", os.Getenv("SERVICE_ACCOUNT_ID") + " serviceAccount"}},
		{organizationmanager.MemberDelta_REMOVE, nil},
	} {
		r := &organizationmanager.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: []*organizationmanager.MemberDelta{
			{Action: step.action, SubjectId: alice}, {Action: step.action, SubjectId: os.Getenv("SERVICE_ACCOUNT_ID")}}}
		if _, _, err := p.operate(ctx, group.service.Append("UpdateMembers"), r); err != nil {
			return fmt.Errorf("%s: %w", step.action, err)
		}
		page := &organizationmanager.ListGroupMembersResponse{}
		err := p.call(ctx, group.service.Append("ListMembers"), &organizationmanager.ListGroupMembersRequest{GroupId: id, PageSize: 1000}, page)
		if err != nil {
			return err
		}
		var got []string
		for _, m := range page.GetMembers() {
			got = append(got, m.GetSubjectId()+" "+m.GetSubjectType())
		}
		slices.Sort(got)
		slices.Sort(step.want)
		if !slices.Equal(got, step.want) {
			return fmt.Errorf("after %s the members are %v, want %v", step.action, got, step.want)
		}
	}
	return p.end(ctx, group, id)
}

// thousand gives and takes a thousand bindings with one call each, and is
// refused one more.
func (p *provider) thousand(ctx context.Context) error {
	_, made, err := p.operate(ctx, folder.service.Append("Create"), folder.create(os.Getenv("CLOUD_ID"), p.name+"-thousand"))
	if err != nil {
		return err
	}
	id := text(made, "id")
	all, err := p.manyBindings(ctx, id, 1001)
	if err != nil {
		return err
	}
	thousand := all[:1000]
	if err := p.deltas(ctx, folder.service, id, access.AccessBindingAction_ADD, thousand...); err != nil {
		return err
	}
	got, err := p.bindings(ctx, folder.service, id)
	if err != nil {
		return err
	}
	want := slices.Clone(thousand)
	sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%d bindings after 1000 were added", len(got))
	}
	err = p.deltas(ctx, folder.service, id, access.AccessBindingAction_ADD, all...)
	if status.Code(err) != codes.InvalidArgument {
		return fmt.Errorf("1001 deltas answer %v, want InvalidArgument", err)
	}
	if err := p.deltas(ctx, folder.service, id, access.AccessBindingAction_REMOVE, thousand...); err != nil {
		return err
	}
	if got, err = p.bindings(ctx, folder.service, id); err != nil || len(got) != 0 {
		return fmt.Errorf("%d bindings after all were removed, %v", len(got), err)
	}
	return p.end(ctx, folder, id)
}

// manyBindings makes accounts in a folder and pairs them with roles.
func (p *provider) manyBindings(ctx context.Context, folderID string, n int) ([]binding, error) {
	roles := []string{"auditor", "viewer", "editor", "iam.auditor", "iam.viewer", "iam.editor", "iam.serviceAccounts.user",
		"iam.serviceAccounts.keyAdmin", "resource-manager.auditor", "resource-manager.viewer", "resource-manager.editor"}
	var all []binding
	for i := 0; len(all) < n; i++ {
		_, made, err := p.operate(ctx, account.service.Append("Create"), account.create(folderID, fmt.Sprintf("%s-%d", p.name, i)))
		if err != nil {
			return nil, err
		}
		for _, role := range roles {
			all = append(all, binding{role, text(made, "id"), "serviceAccount"})
		}
	}
	return all[:n], nil
}

// sameKey sends one change twice under one key: the second answer is the first.
func (p *provider) sameKey(ctx context.Context) error {
	keyed := metadata.AppendToOutgoingContext(ctx, "idempotency-key", uuid.NewString())
	var ids [2]string
	var made proto.Message
	for i := range ids {
		op, m, err := p.operate(keyed, account.service.Append("Create"), account.create(os.Getenv("FOLDER_ID"), p.name+"-once"))
		if err != nil {
			return err
		}
		ids[i], made = op.ID(), m
	}
	if ids[0] != ids[1] {
		return fmt.Errorf("one key gave the operations %v", ids)
	}
	return p.end(ctx, account, text(made, "id"))
}
