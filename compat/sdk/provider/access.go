package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	viewer  = "viewer"
	auditor = "auditor"
)

// binding is one entry of a policy, comparable.
type binding struct{ role, id, kind string }

func (b binding) proto() *access.AccessBinding {
	return &access.AccessBinding{RoleId: b.role, Subject: &access.Subject{Id: b.id, Type: b.kind}}
}

// access gives access to a resource in the provider's three ways.
func (p *provider) access(ctx context.Context, service protoreflect.FullName, id string) error {
	before, err := p.bindings(ctx, service, id)
	if err != nil {
		return err
	}
	for name, way := range map[string]func(context.Context, protoreflect.FullName, string) error{
		"iam_member": p.member, "iam_binding": p.binding, "iam_policy": p.policy,
	} {
		if err := way(ctx, service, id); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		after, err := p.bindings(ctx, service, id)
		if err != nil {
			return err
		}
		if !slices.Equal(before, after) {
			return fmt.Errorf("%s leaves %v, before it were %v", name, after, before)
		}
	}
	return nil
}

// member adds one subject after the other and takes it away again, as iam_member.
func (p *provider) member(ctx context.Context, service protoreflect.FullName, id string) error {
	subjects, err := p.subjects(ctx)
	if err != nil {
		return err
	}
	for _, s := range subjects {
		b := binding{viewer, s.id, s.kind}
		for range 2 { // what is there already may be added again
			if err := p.deltas(ctx, service, id, access.AccessBindingAction_ADD, b); err != nil {
				return fmt.Errorf("add %v: %w", b, err)
			}
			if err := p.has(ctx, service, id, b, true); err != nil {
				return err
			}
		}
		if err := p.deltas(ctx, service, id, access.AccessBindingAction_REMOVE, b); err != nil {
			return fmt.Errorf("remove %v: %w", b, err)
		}
		if err := p.has(ctx, service, id, b, false); err != nil {
			return err
		}
	}
	return nil
}

// binding owns every member of one role: it reads all, replaces the role's
// members, and sets all, as iam_binding.
func (p *provider) binding(ctx context.Context, service protoreflect.FullName, id string) error {
	subjects, err := p.subjects(ctx)
	if err != nil {
		return err
	}
	for _, members := range [][]binding{subjects[:2], subjects[:2], subjects[1:3], nil} {
		all, err := p.bindings(ctx, service, id)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(b binding) bool { return b.role == auditor })
		for _, m := range members {
			all = append(all, binding{auditor, m.id, m.kind})
		}
		if err := p.set(ctx, service, id, all); err != nil {
			return err
		}
	}
	return nil
}

// policy sets everything at once, as iam_policy.
func (p *provider) policy(ctx context.Context, service protoreflect.FullName, id string) error {
	subjects, err := p.subjects(ctx)
	if err != nil {
		return err
	}
	before, err := p.bindings(ctx, service, id)
	if err != nil {
		return err
	}
	wide := slices.Clone(before)
	for _, s := range subjects {
		wide = append(wide, binding{viewer, s.id, s.kind}, binding{auditor, s.id, s.kind})
	}
	for _, all := range [][]binding{wide, wide, before} {
		if err := p.set(ctx, service, id, all); err != nil {
			return err
		}
	}
	return nil
}

// subjects are some of every type, the role left out.
func (p *provider) subjects(ctx context.Context) ([]binding, error) {
	alice, err := p.login(ctx, "alice")
	if err != nil {
		return nil, err
	}
	return []binding{
		{id: os.Getenv("SERVICE_ACCOUNT_ID"), kind: "serviceAccount"},
		{id: alice, kind: "userAccount"},
		{id: "allAuthenticatedUsers", kind: "system"},
		{id: "group:organization:" + os.Getenv("ORGANIZATION_ID") + ":users", kind: "system"},
	}, nil
}

func (p *provider) has(ctx context.Context, service protoreflect.FullName, id string, b binding, want bool) error {
	all, err := p.bindings(ctx, service, id)
	if err == nil && slices.Contains(all, b) != want {
		err = fmt.Errorf("%v is there: %t, want %t", b, !want, want)
	}
	return err
}

// bindings lists all of a resource, sorted, in pages of the provider's size.
func (p *provider) bindings(ctx context.Context, service protoreflect.FullName, id string) ([]binding, error) {
	var all []binding
	r := &access.ListAccessBindingsRequest{ResourceId: id, PageSize: 1000}
	for {
		page := &access.ListAccessBindingsResponse{}
		if err := p.call(ctx, service.Append("ListAccessBindings"), r, page); err != nil {
			return nil, fmt.Errorf("list bindings: %w", err)
		}
		for _, b := range page.GetAccessBindings() {
			all = append(all, binding{b.GetRoleId(), b.GetSubject().GetId(), b.GetSubject().GetType()})
		}
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			break
		}
		if len(page.GetAccessBindings()) == 0 {
			return nil, errors.New("an empty page with a token for the next")
		}
	}
	sort(all)
	return all, nil
}

func sort(all []binding) {
	slices.SortFunc(all, func(a, b binding) int {
		return slices.Compare([]string{a.id, a.role, a.kind}, []string{b.id, b.role, b.kind})
	})
}

// set replaces all bindings and reads them back.
func (p *provider) set(ctx context.Context, service protoreflect.FullName, id string, all []binding) error {
	r := &access.SetAccessBindingsRequest{ResourceId: id}
	for _, b := range all {
		r.AccessBindings = append(r.AccessBindings, b.proto())
	}
	if _, _, err := p.operate(ctx, service.Append("SetAccessBindings"), r); err != nil {
		return fmt.Errorf("set %v: %w", all, err)
	}
	got, err := p.bindings(ctx, service, id)
	if err != nil {
		return err
	}
	want := slices.Clone(all)
	sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("bindings are %v, want %v", got, want)
	}
	return nil
}

func (p *provider) deltas(ctx context.Context, service protoreflect.FullName, id string, action access.AccessBindingAction, all ...binding) error {
	r := &access.UpdateAccessBindingsRequest{ResourceId: id}
	for _, b := range all {
		r.AccessBindingDeltas = append(r.AccessBindingDeltas, &access.AccessBindingDelta{Action: action, AccessBinding: b.proto()})
	}
	_, _, err := p.operate(ctx, service.Append("UpdateAccessBindings"), r)
	return err
}
