package cloudapi

import (
	"context"
	"errors"
	"fmt"
	"math"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// BindingRules are the three rows that every service with access bindings has.
// collection is the permissions' prefix, event a format with one place for Set
// or Update.
func BindingRules(service string, kind resource.Kind, collection, event string) []gate.Rule {
	on := gate.On(kind, "resource_id")
	list, update := iam.Permission(collection+".listAccessBindings"), iam.Permission(collection+".updateAccessBindings")
	return gate.Rules(service,
		gate.Rule{Method: "ListAccessBindings", Permission: list, Target: on},
		gate.Rule{Method: "SetAccessBindings", Permission: update, Target: on, Effect: gate.Changes, Event: fmt.Sprintf(event, "Set")},
		gate.Rule{Method: "UpdateAccessBindings", Permission: update, Target: on, Effect: gate.Changes, Event: fmt.Sprintf(event, "Update")},
	)
}

// Grants answers what a grantor may hand out.
type Grants interface {
	// RoleIDs lists every role there is.
	RoleIDs() []iam.RoleID
	// Bindable says why a role cannot be bound on a resource of an organization:
	// it is unknown or another organization's own, both alike (NOT_FOUND), or
	// stands on another kind of resource (INVALID_ARGUMENT).
	Bindable(role iam.RoleID, on resource.Ref, organizationID string) error
	// MayGrant decides whether a subject holds, on a resource, every permission
	// of a role, and the role itself when only its holders hand it out.
	MayGrant(ctx context.Context, who iam.Subject, resourceID string, role iam.RoleID) (gate.Decision, error)
}

// Bindings serves the access bindings of one kind of resource.
type Bindings struct {
	// AnswersEmpty is set where operations answer google.protobuf.Empty instead of
	// the deltas that had an effect [API fact: OrganizationService].
	AnswersEmpty    bool
	BindingsDB      *store.DB
	BindingsChanges Changes
	BindingsPages   Pages
	BindingsQuotas  quota.Limits
	Grants          Grants
	Kind            resource.Kind
	Prefix          string // of operation ids
}

// ListAccessBindings pages through the bindings on a resource itself, not on
// its ancestors.
func (b Bindings) ListAccessBindings(ctx context.Context, r *accesspb.ListAccessBindingsRequest) (*accesspb.ListAccessBindingsResponse, error) {
	l := List{Method: gate.From(ctx).Rule.Method, Parent: r.GetResourceId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	place, size, err := b.BindingsPages.Open(l)
	if err != nil {
		return nil, err
	}
	after, err := b.bindingAt(ctx, r.GetResourceId(), place)
	if err != nil {
		return nil, err
	}
	var rows []iam.AccessBinding
	err = b.BindingsDB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListBindings(tx, r.GetResourceId(), after, size+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &accesspb.ListAccessBindingsResponse{}
	rows, out.NextPageToken = Cut(b.BindingsPages, l, rows, size, bindingPlace)
	for _, row := range rows {
		out.AccessBindings = append(out.AccessBindings, bindingProto(row))
	}
	return out, nil
}

// SetAccessBindings replaces every binding on a resource.
func (b Bindings) SetAccessBindings(ctx context.Context, r *accesspb.SetAccessBindingsRequest) (*operationpb.Operation, error) {
	wanted := make(map[iam.AccessBinding]bool, len(r.GetAccessBindings()))
	var add []delta
	for i, p := range r.GetAccessBindings() {
		field := fmt.Sprintf("access_bindings[%d]", i)
		binding, err := bindingOf(p, field)
		if err != nil {
			return nil, err
		}
		wanted[binding] = true
		add = append(add, delta{accesspb.AccessBindingAction_ADD, binding, field})
	}
	return b.run(ctx, r.GetResourceId(), "Set access bindings", &accesspb.SetAccessBindingsMetadata{ResourceId: r.GetResourceId()}, add,
		func(tx *store.Tx) (have []iam.AccessBinding, deltas []delta, err error) {
			have, err = store.ListBindings(tx, r.GetResourceId(), iam.AccessBinding{}, math.MaxInt32)
			for _, old := range have {
				if !wanted[old] {
					deltas = append(deltas, delta{action: accesspb.AccessBindingAction_REMOVE, binding: old})
				}
			}
			return have, append(deltas, add...), err
		})
}

// UpdateAccessBindings adds and removes bindings. Adding what is there and
// removing what is not are no errors; the answer tells what had an effect.
func (b Bindings) UpdateAccessBindings(ctx context.Context, r *accesspb.UpdateAccessBindingsRequest) (*operationpb.Operation, error) {
	deltas := make([]delta, len(r.GetAccessBindingDeltas()))
	subjects := make([]iam.SubjectID, len(deltas))
	for i, d := range r.GetAccessBindingDeltas() {
		field := fmt.Sprintf("access_binding_deltas[%d]", i)
		if a := d.GetAction(); a != accesspb.AccessBindingAction_ADD && a != accesspb.AccessBindingAction_REMOVE {
			return nil, iam.InvalidField(field+".action", "must be ADD or REMOVE")
		}
		binding, err := bindingOf(d.GetAccessBinding(), field+".access_binding")
		if err != nil {
			return nil, err
		}
		deltas[i], subjects[i] = delta{d.GetAction(), binding, field + ".access_binding"}, binding.Subject.ID
	}
	return b.run(ctx, r.GetResourceId(), "Update access bindings", &accesspb.UpdateAccessBindingsMetadata{ResourceId: r.GetResourceId()}, deltas,
		func(tx *store.Tx) ([]iam.AccessBinding, []delta, error) {
			have, err := store.FindBindings(tx, r.GetResourceId(), subjects)
			return have, deltas, err
		})
}

type delta struct {
	action  accesspb.AccessBindingAction
	binding iam.AccessBinding
	field   string // of the request; "" when it does not stand there
}

// takesOwner tells whether the delta makes somebody an owner no more.
func (d delta) takesOwner() bool {
	return d.action == accesspb.AccessBindingAction_REMOVE && d.binding.Role.IsOwner()
}

// run applies deltas in one transaction. What the caller may hand out is
// decided before it and guarded by the transaction like the call's own
// permission: when it has moved, the corridor starts over. read returns the
// bindings that there are, as far as the deltas touch them, and the deltas.
func (b Bindings) run(ctx context.Context, id, what string, meta proto.Message, given []delta,
	read func(*store.Tx) ([]iam.AccessBinding, []delta, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.NoteDetail(deltasDetail(given))
	may, err := b.grantable(ctx, id, given)
	if err != nil {
		return nil, err
	}
	return b.BindingsChanges.Run(ctx, Change{ID: NewOperationID(b.Prefix), ResourceID: id, Description: what, Metadata: meta},
		func(tx *store.Tx) (proto.Message, error) {
			if err := b.BindingsQuotas.Hold(tx, quota.AccessBindings, id); err != nil {
				return nil, err
			}
			if err := store.LockResource(tx, id); err != nil {
				return nil, err
			}
			have, deltas, err := read(tx)
			if err != nil {
				return nil, err
			}
			effective, err := b.apply(tx, id, have, deltas, may)
			if err != nil {
				return nil, err
			}
			call.NoteDetail(deltasDetail(effective))
			if b.AnswersEmpty {
				return &emptypb.Empty{}, nil
			}
			done := &accesspb.AccessBindingsOperationResult{}
			for _, d := range effective {
				done.EffectiveDeltas = append(done.EffectiveDeltas,
					&accesspb.AccessBindingDelta{Action: d.action, AccessBinding: bindingProto(d.binding)})
			}
			return done, nil
		})
}

// within puts the path of a delta before the field that an error is about.
func within(field string, err error) error {
	var e *iam.Error
	if field == "" || !errors.As(err, &e) || len(e.Fields) != 1 {
		return err
	}
	return iam.InvalidField(field+"."+e.Fields[0].Field, "%s", e.Fields[0].Description)
}

// grantable tells for every role that may be handed out here whether the
// caller may do so.
func (b Bindings) grantable(ctx context.Context, id string, given []delta) (map[iam.RoleID]bool, error) {
	may := make(map[iam.RoleID]bool)
	for _, d := range given {
		may[d.binding.Role] = false
	}
	for _, role := range [...]iam.RoleID{iam.CloudOwner, iam.OrganizationOwner} {
		may[role] = false
	}
	for role := range may {
		var err error
		if may[role], err = mayGrant(ctx, b.Grants, id, role); err != nil {
			return nil, err
		}
	}
	return may, nil
}

func bindingOf(p *accesspb.AccessBinding, field string) (iam.AccessBinding, error) {
	if p == nil {
		return iam.AccessBinding{}, iam.InvalidField(field, "required")
	}
	return iam.AccessBinding{
		Role:    iam.RoleID(p.GetRoleId()),
		Subject: iam.Subject{ID: iam.SubjectID(p.GetSubject().GetId()), Type: iam.SubjectType(p.GetSubject().GetType())},
	}, nil
}

func bindingProto(b iam.AccessBinding) *accesspb.AccessBinding {
	return &accesspb.AccessBinding{
		RoleId:  string(b.Role),
		Subject: &accesspb.Subject{Id: string(b.Subject.ID), Type: string(b.Subject.Type)},
	}
}

// deltasDetail tells the audit line of deltas [API fact: AccessBindings events].
func deltasDetail(deltas []delta) audit.Detail {
	out := audit.Detail{Name: "access_binding_deltas"}
	for _, d := range deltas {
		out.Items = append(out.Items, audit.Object("", audit.Text("action", d.action.String()),
			audit.Object("access_binding", audit.Text("role_id", string(d.binding.Role)),
				audit.Text("subject_id", string(d.binding.Subject.ID)), audit.Text("subject_type", string(d.binding.Subject.Type)))))
	}
	return out
}
