package cli

import (
	"context"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/output"
)

// cloudType is what the API calls a cloud.
const cloudType = "resource-manager.cloud"

// ofResource names the resource that a request is about by its id and type.
func ofResource(field string) []option {
	return []option{
		{name: "resource-id", field: field + ".id", usage: "the resource; otherwise the cloud of --cloud-id, $" + envCloud + " or the profile"},
		{name: "resource-type", field: field + ".type", usage: "its type, such as " + cloudType},
	}
}

// orCloud has a request be about the cloud that one works in.
func orCloud(field string) func(context.Context, *session, *request) error {
	return func(ctx context.Context, s *session, q *request) error {
		id, kind := output.Field(q.message, field+".id"), output.Field(q.message, field+".type")
		switch {
		case kind == "" || kind == cloudType && id == "":
			if id == "" {
				cloud, err := s.place(ctx, "cloud_id")
				if err != nil {
					return err
				}
				q.set(field+".id", cloud)
			}
			q.set(field+".type", cloudType)
		case id == "":
			return misuse("--resource-id is missing")
		}
		return nil
	}
}

func serviceControlNode() node {
	about := &subject{thing: "service", field: "service_id", many: true}
	on, at := ofResource("resource"), orCloud("resource")
	return node{word: "service-control", summary: "which services a cloud uses", below: []node{
		rpc{method: iampb.ServiceControlService_Get_FullMethodName, subject: about, options: on, complete: at}.gets("show whether a service is on"),
		rpc{method: iampb.ServiceControlService_List_FullMethodName, options: on, complete: at, columns: []output.Column{
			{Title: "SERVICE ID", Field: "service_id"}, {Title: "UPDATED AT", Field: "updated_at"}, {Title: "STATUS", Field: "status"},
		}}.lists("list", "list the services and whether they are on"),
		rpc{method: iampb.ServiceControlService_Enable_FullMethodName, subject: about, options: on, complete: at}.changes("enable", "turn a service on"),
		rpc{method: iampb.ServiceControlService_Disable_FullMethodName, subject: about, options: on, complete: at}.changes("disable", "turn a service off"),
	}}
}

func accessPolicyTemplateNode() node {
	return node{word: "access-policy-template", aliases: []string{"access-policy-templates"}, summary: "what access policies there are", below: []node{
		rpc{method: iampb.AccessPolicyTemplateService_List_FullMethodName, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "DESCRIPTION", Field: "description"},
		}}.lists("list", "list the templates of access policies"),
	}}
}

func accessAnalyzerNode() node {
	return node{word: "access-analyzer", summary: "who has access to what", below: []node{
		rpc{method: iampb.AccessAnalyzerService_ListSubjectAccessBindings_FullMethodName, within: "organization_id", columns: []output.Column{
			{Title: "ROLE ID", Field: "role_id"}, {Title: "RESOURCE TYPE", Field: "resource.type"}, {Title: "RESOURCE ID", Field: "resource.id"}, {Title: "SUBJECT ID", Field: "subject_id"},
		}, options: []option{
			{name: "subject-id", field: "subject_id", usage: "whose bindings", required: true}, organizationOption(),
		}}.lists("list-subject-access-bindings", "list the roles that a subject has in an organization, and on what"),
	}}
}

func subjectDetailsNode() node {
	more := []option{
		{name: "organization-id", field: "resource_context.id", usage: "the organization that asks"},
		{name: "resource-id", field: "resource_context.id", usage: "the organization or folder that asks"},
		{name: "resource-type", field: "resource_context.type", usage: "its type; otherwise " + organizationType},
		{name: "field-mask", field: "field_mask", usage: "what to show"},
	}
	asks := func(_ context.Context, _ *session, q *request) error {
		if output.Field(q.message, "resource_context.id") != "" && output.Field(q.message, "resource_context.type") == "" {
			q.set("resource_context.type", organizationType)
		}
		return nil
	}
	about := &subject{thing: "subject", field: "subject_id", flag: "subject-id"}
	columns := []output.Column{{Title: "ID", Field: "sub"}, {Title: "TYPE", Field: "type"}, {Title: "NAME", Field: "name"}}
	some := option{name: "filter", field: "filter", usage: "condition in CEL"}
	return node{word: "subject-details", summary: "what is known of people and service accounts", below: []node{
		rpc{method: iampb.SubjectDetailsService_Get_FullMethodName, subject: about, options: more, complete: asks}.gets("show a subject"),
		rpc{method: iampb.SubjectDetailsService_BatchGet_FullMethodName, complete: asks, columns: columns, options: append([]option{
			{name: "subject-ids", field: "subject_ids", usage: "whom to show", required: true}, some,
		}, more...)}.lists("batch-get", "show several subjects"),
		rpc{method: iampb.SubjectDetailsService_List_FullMethodName, complete: asks, columns: columns, options: append([]option{some}, more...)}.
			lists("list", "list the members of an organization"),
	}}
}

const organizationType = "organization-manager.organization"
