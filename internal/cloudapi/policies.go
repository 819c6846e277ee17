package cloudapi

import (
	"context"
	"fmt"
	"slices"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// PolicyRules are the four rows that every service with access policies has.
// collection is the permissions' prefix, event a format with one place for what
// is done and the words around the kind: "resourcemanager.%sCloudAccessPolicy%s".
func PolicyRules(service string, kind resource.Kind, collection, event string) []gate.Rule {
	on := gate.On(kind, "resource_id")
	list, update := iam.Permission(collection+".listAccessPolicyBindings"), iam.Permission(collection+".updateAccessPolicyBindings")
	change := func(method, verb, rest string) gate.Rule {
		return gate.Rule{Method: method, Permission: update, Target: on, Effect: gate.Changes, Event: fmt.Sprintf(event, verb, rest)}
	}
	return gate.Rules(service,
		gate.Rule{Method: "ListAccessPolicyBindings", Permission: list, Target: on},
		change("BindAccessPolicy", "Bind", ""),
		change("UnbindAccessPolicy", "Unbind", ""),
		change("UpdateAccessPolicyBindingParameters", "Update", "BindingParameters"),
	)
}

// PolicyTemplate is a deny rule that can be bound to resources.
type PolicyTemplate struct {
	ID, Name, Description string
	On                    []resource.Kind // the kinds of resource it can be bound to
}

// Policies serves the access policies of one kind of resource. A policy denies
// by being bound: the decision reads it with the resource, so that it is in
// force, or not any more, with the answer to the call.
type Policies struct {
	PolicyDB      *store.DB
	PolicyChanges Changes
	PolicyPages   Pages
	Templates     []PolicyTemplate
	PolicyKind    resource.Kind
	PolicyPrefix  string // of operation ids
}

// ListAccessPolicyBindings pages through the policies on a resource itself, not
// on its ancestors.
func (p Policies) ListAccessPolicyBindings(ctx context.Context, r *accesspb.ListAccessPolicyBindingsRequest) (*accesspb.ListAccessPolicyBindingsResponse, error) {
	l := List{Method: gate.From(ctx).Rule.Method, Parent: r.GetResourceId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := p.PolicyPages.Open(l)
	if err != nil {
		return nil, err
	}
	var rows []store.PolicyBinding
	err = p.PolicyDB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListPolicies(tx, r.GetResourceId(), after, size+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &accesspb.ListAccessPolicyBindingsResponse{}
	rows, out.NextPageToken = Cut(p.PolicyPages, l, rows, size, func(b store.PolicyBinding) string { return b.TemplateID })
	for _, b := range rows {
		out.AccessPolicyBindings = append(out.AccessPolicyBindings,
			&accesspb.AccessPolicyBinding{AccessPolicyTemplateId: b.TemplateID, Parameters: b.Parameters})
	}
	return out, nil
}

// BindAccessPolicy binds a template to a resource. The second time is
// ALREADY_EXISTS.
func (p Policies) BindAccessPolicy(ctx context.Context, r *accesspb.BindAccessPolicyRequest) (*operationpb.Operation, error) {
	b, err := p.bindingOf(r.GetAccessPolicyBinding())
	if err != nil {
		return nil, err
	}
	return p.run(ctx, r.GetResourceId(), b.TemplateID, "Bind access policy",
		&accesspb.BindAccessPolicyMetadata{ResourceId: r.GetResourceId(), AccessPolicyBinding: r.GetAccessPolicyBinding()},
		func(tx *store.Tx) (proto.Message, error) {
			return &accesspb.BindAccessPolicyResponse{}, store.BindPolicy(tx, r.GetResourceId(), b)
		})
}

// UnbindAccessPolicy takes a template off a resource. It need not exist any
// more as a template: whatever is bound can be taken off.
func (p Policies) UnbindAccessPolicy(ctx context.Context, r *accesspb.UnbindAccessPolicyRequest) (*operationpb.Operation, error) {
	return p.run(ctx, r.GetResourceId(), r.GetAccessPolicyTemplateId(), "Unbind access policy",
		&accesspb.UnbindAccessPolicyMetadata{ResourceId: r.GetResourceId(), AccessPolicyTemplateId: r.GetAccessPolicyTemplateId()},
		func(tx *store.Tx) (proto.Message, error) {
			return &accesspb.UnbindAccessPolicyResponse{}, store.UnbindPolicy(tx, r.GetResourceId(), r.GetAccessPolicyTemplateId())
		})
}

// UpdateAccessPolicyBindingParameters replaces the parameters of a bound
// template.
func (p Policies) UpdateAccessPolicyBindingParameters(ctx context.Context, r *accesspb.UpdateAccessPolicyBindingParametersRequest) (*operationpb.Operation, error) {
	b, err := p.bindingOf(r.GetAccessPolicyBinding())
	if err != nil {
		return nil, err
	}
	return p.run(ctx, r.GetResourceId(), b.TemplateID, "Update access policy parameters",
		&accesspb.UpdateAccessPolicyBindingParametersMetadata{ResourceId: r.GetResourceId(), AccessPolicyBinding: r.GetAccessPolicyBinding()},
		func(tx *store.Tx) (proto.Message, error) {
			return &accesspb.UpdateAccessPolicyBindingParametersResponse{}, store.UpdatePolicyParameters(tx, r.GetResourceId(), b)
		})
}

func (p Policies) run(ctx context.Context, id, template, what string, meta proto.Message, act func(*store.Tx) (proto.Message, error)) (*operationpb.Operation, error) {
	gate.From(ctx).Note("access_policy_template_id", template)
	return p.PolicyChanges.Run(ctx, Change{ID: NewOperationID(p.PolicyPrefix), ResourceID: id, Description: what, Metadata: meta}, act)
}

// bindingOf checks a binding: an unknown template is NOT_FOUND; one that
// belongs elsewhere, and parameters, are INVALID_ARGUMENT: no template that this
// server enforces takes any.
func (p Policies) bindingOf(b *accesspb.AccessPolicyBinding) (store.PolicyBinding, error) {
	id := b.GetAccessPolicyTemplateId()
	i := slices.IndexFunc(p.Templates, func(t PolicyTemplate) bool { return t.ID == id })
	switch {
	case i < 0:
		return store.PolicyBinding{}, iam.Errorf(iam.NotFound, "Access policy template %s not found", id)
	case !slices.Contains(p.Templates[i].On, p.PolicyKind):
		return store.PolicyBinding{}, iam.InvalidField("access_policy_binding.access_policy_template_id",
			"%s cannot be bound to a %s", id, p.PolicyKind)
	case len(b.GetParameters()) > 0:
		return store.PolicyBinding{}, iam.InvalidField("access_policy_binding.parameters", "%s takes no parameters", id)
	}
	return store.PolicyBinding{TemplateID: id}, nil
}
