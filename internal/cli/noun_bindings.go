package cli

import (
	"context"
	"flag"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
)

// bindingNodes are the commands of everything that has access bindings, of
// which a name works where an id does. service is the full name of its service.
func bindingNodes(service string, about *subject) []node {
	var out []node
	for _, c := range bindingCommands("", service) {
		out = append(out, leaf(c.named(about)))
	}
	return out
}

// named has a command that takes an id take a name too.
func (c command) named(about *subject) command {
	inner := c.flags
	c.takes = "NAME|ID"
	c.flags = func(f *flag.FlagSet) action {
		act := inner(f)
		name := new(string)
		singleVar(f, name, "name", "name of the "+about.thing+"; may stand beside the flags")
		organization := new(string)
		about.where(f, organization)
		return func(ctx context.Context, s *session, args []string) error {
			s.organizationID = *organization
			n := named{*name, "name"}
			switch id := f.Lookup("id").Value.String(); {
			case *name == "" && id != "", *name == "" && len(args) != 1:
				return act(ctx, s, args) // an id, or none, or too many
			case *name == "":
				n = named{args[0], ""}
			case id != "" || len(args) > 0:
				return misuse("name one %s", about.thing)
			}
			return s.subject(ctx, about, n, func(id string) error { return act(ctx, s, []string{id}) })
		}
	}
	return c
}

// policyNodes are the commands of what has access policies.
func policyNodes(service string, about *subject) []node {
	resource := &subject{thing: about.thing, field: "resource_id", by: about.by}
	return []node{
		rpc{method: "/" + service + "/ListAccessPolicyBindings", subject: resource, columns: policyTable()}.
			lists("list-access-policy-bindings", "list the access policies that are bound to it"),
		leaf(command{verb: "bind-access-policy", takes: "NAME|ID", summary: "bind an access policy to it", changes: true,
			flags:   func(f *flag.FlagSet) action { return bindPolicy(f, service, resource) },
			example: "ID --access-policy-template-id iam.denyServiceAccountCreation"}),
		rpc{method: "/" + service + "/UnbindAccessPolicy", subject: resource, options: []option{
			{name: "access-policy-template-id", field: "access_policy_template_id", usage: "the policy's template", required: true},
		}}.changes("unbind-access-policy", "take an access policy from it"),
	}
}

func bindPolicy(f *flag.FlagSet, service string, about *subject) action {
	method := "/" + service + "/BindAccessPolicy"
	q, err := rpc{method: method, subject: about}.declare(f)
	var parameters labels
	template := f.String("access-policy-template-id", "", "the policy's template; access-policy-template list says which there are; required")
	f.Var(&parameters, "parameters", "what the template asks for")
	return func(ctx context.Context, s *session, args []string) error {
		if err != nil {
			return err
		}
		if *template == "" {
			return misuse("--access-policy-template-id is missing")
		}
		subjects, err := q.subjects(s, args)
		if err != nil {
			return err
		}
		return s.subject(ctx, about, subjects[0], func(id string) error {
			return s.change(ctx, method, &accesspb.BindAccessPolicyRequest{ResourceId: id, AccessPolicyBinding: &accesspb.AccessPolicyBinding{
				AccessPolicyTemplateId: *template, Parameters: parameters}})
		})
	}
}
