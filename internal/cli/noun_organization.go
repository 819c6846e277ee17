package cli

import (
	"context"
	"flag"
	"slices"
	"strings"

	organizationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"

	"github.com/propusk/propusk/internal/cli/output"
)

func organizations() *finder {
	return &finder{"organization", organizationpb.OrganizationService_List_FullMethodName, ""}
}

func organizationOption() option {
	return option{name: "organization-id", field: "organization_id", usage: "the organization; otherwise $YC_ORGANIZATION_ID, otherwise the profile's"}
}

func organizationManagerNode() node {
	return node{word: "organization-manager", service: true, summary: "organizations, their groups and members", below: []node{
		organizationNode(), groupNode(), memberNode(),
	}}
}

func organizationNode() node {
	const get, update = organizationpb.OrganizationService_Get_FullMethodName, organizationpb.OrganizationService_Update_FullMethodName
	about := &subject{thing: "organization", field: "organization_id", by: organizations()}
	service := organizationpb.OrganizationService_ServiceDesc.ServiceName
	return node{word: "organization", aliases: []string{"organizations"}, summary: "organizations, in which everything is", below: slices.Concat([]node{
		rpc{method: get, subject: about}.gets("show an organization"),
		rpc{method: organizationpb.OrganizationService_List_FullMethodName, options: []option{filter()}, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}, {Title: "TITLE", Field: "title"}, {Title: "LABELS", Field: "labels"},
		}}.lists("list", "list the organizations that you may see"),
		rpc{method: update, subject: about, options: append(changed(),
			option{name: "title", field: "title", usage: "how people know it"})}.changes("update", "change an organization"),
		leaf(command{verb: "leave", takes: "NAME|ID", summary: "be a member no longer", changes: true, flags: func(f *flag.FlagSet) action {
			return leave(f, about)
		}}),
		operationsOf(organizationpb.OrganizationService_ListOperations_FullMethodName, about),
	}, labelNodes(get, update, about), bindingNodes(service, about), policyNodes(service, about))}
}

func leave(f *flag.FlagSet, about *subject) action {
	q, err := rpc{method: organizationpb.UserService_DeleteMembership_FullMethodName, subject: about}.declare(f)
	yes := yesFlag(f)
	return func(ctx context.Context, s *session, args []string) error {
		if err != nil {
			return err
		}
		subjects, err := q.subjects(s, args)
		if err != nil {
			return err
		}
		me, err := s.self(ctx)
		if err != nil {
			return err
		}
		return s.subject(ctx, about, subjects[0], func(id string) error {
			if err := s.agree(*yes, "you are going to be no member of "+printable(id)+" any more, and to lose what you may do there"); err != nil {
				return err
			}
			return s.change(ctx, q.method, &organizationpb.DeleteMembershipRequest{OrganizationId: id, SubjectId: me})
		})
	}
}

func memberNode() node {
	return node{word: "user", aliases: []string{"users"}, summary: "members of an organization", below: []node{
		rpc{method: organizationpb.UserService_ListMembers_FullMethodName, within: "organization_id", options: []option{organizationOption()},
			columns: []output.Column{
				{Title: "ID", Field: "subject_claims.sub"}, {Title: "USERNAME", Field: "subject_claims.preferred_username"},
				{Title: "EMAIL", Field: "subject_claims.email"}, {Title: "FEDERATION ID", Field: "subject_claims.federation.id"},
				{Title: "LAST AUTHENTICATED AT", Field: "subject_claims.last_authenticated_at"},
			}}.lists("list", "list the members of an organization"),
		rpc{method: organizationpb.UserService_DeleteMembership_FullMethodName, subject: &subject{thing: "person", field: "subject_id", flag: "subject-id"},
			within: "organization_id", options: []option{organizationOption()}}.changes("remove", "take a member out of an organization"),
	}}
}

func groups() *finder {
	return &finder{"group", organizationpb.GroupService_List_FullMethodName, "organization_id"}
}

func groupNode() node {
	const get, update = organizationpb.GroupService_Get_FullMethodName, organizationpb.GroupService_Update_FullMethodName
	about := &subject{thing: "group", field: "group_id", by: groups()}
	several := &subject{thing: about.thing, field: about.field, by: about.by, many: true}
	own := rpc{method: organizationpb.GroupService_ListEffective_FullMethodName, within: "organization_id", complete: orSelf("subject_id"), columns: []output.Column{
		{Title: "GROUP ID", Field: "group_id"}, {Title: "GROUP NAME", Field: "group_name"},
	}, options: []option{{name: "subject-id", field: "subject_id", usage: "whose groups; otherwise yours"}, organizationOption(), filter()}}
	return node{word: "group", aliases: []string{"groups"}, summary: "groups of an organization", below: slices.Concat([]node{
		rpc{method: get, subject: about}.gets("show a group"),
		rpc{method: organizationpb.GroupService_List_FullMethodName, within: "organization_id", options: []option{organizationOption(), filter()},
			columns: []output.Column{
				{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}, {Title: "ORGANIZATION ID", Field: "organization_id"}, {Title: "DESCRIPTION", Field: "description"},
			}}.lists("list", "list the groups of an organization"),
		rpc{method: organizationpb.GroupService_Create_FullMethodName, within: "organization_id",
			options: append(made("group"), organizationOption())}.changes("create", "make a group"),
		rpc{method: update, subject: about, options: changed()}.changes("update", "change a group"),
		rpc{method: organizationpb.GroupService_Delete_FullMethodName, subject: several}.changes("delete", "delete groups with what they were given"),
		rpc{method: organizationpb.GroupService_ListMembers_FullMethodName, subject: about, columns: []output.Column{
			{Title: "SUBJECT ID", Field: "subject_id"}, {Title: "SUBJECT TYPE", Field: "subject_type"},
		}}.lists("list-members", "list who is in a group"),
		membersNode("add-members", "put subjects into a group", about, organizationpb.MemberDelta_ADD),
		membersNode("remove-members", "take subjects out of a group", about, organizationpb.MemberDelta_REMOVE),
		own.lists("list-effective", "list the groups that a subject is in"),
		operationsOf(organizationpb.GroupService_ListOperations_FullMethodName, about),
	}, labelNodes(get, update, about), bindingNodes(organizationpb.GroupService_ServiceDesc.ServiceName, about))}
}

func membersNode(verb, summary string, about *subject, what organizationpb.MemberDelta_MemberAction) node {
	return leaf(command{verb: verb, takes: "NAME|ID", summary: summary, changes: true, example: "readers --subject-id aje…,aje…", flags: func(f *flag.FlagSet) action {
		q, err := rpc{method: organizationpb.GroupService_UpdateMembers_FullMethodName, subject: about}.declare(f)
		var ids texts
		f.Var(&ids, "subject-id", "who: an id, or several with commas; may stand there several times; required")
		return func(ctx context.Context, s *session, args []string) error {
			if err != nil {
				return err
			}
			subjects, err := q.subjects(s, args)
			if err != nil {
				return err
			}
			var deltas []*organizationpb.MemberDelta
			for id := range strings.SplitSeq(strings.Join(ids, ","), ",") {
				if id = strings.TrimSpace(id); id != "" {
					deltas = append(deltas, &organizationpb.MemberDelta{Action: what, SubjectId: id})
				}
			}
			if len(deltas) == 0 {
				return misuse("--subject-id is missing")
			}
			return s.subject(ctx, about, subjects[0], func(id string) error {
				return s.change(ctx, q.method, &organizationpb.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: deltas})
			})
		}
	}})
}
