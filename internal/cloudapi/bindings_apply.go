package cloudapi

import (
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// bound is what makes a binding one; the subject's type follows from its id.
type bound struct {
	role    iam.RoleID
	subject iam.SubjectID
}

func boundBy(b iam.AccessBinding) bound { return bound{b.Role, b.Subject.ID} }

// apply takes deltas in their order, writes what they come to and returns those
// that had an effect. have are the bindings that they may touch.
func (b Bindings) apply(tx *store.Tx, id string, have []iam.AccessBinding, deltas []delta, may map[iam.RoleID]bool) (effective []delta, err error) {
	before, now := make(map[bound]iam.SubjectType, len(have)), make(map[bound]iam.SubjectType, len(have))
	for _, h := range have {
		before[boundBy(h)], now[boundBy(h)] = h.Subject.Type, h.Subject.Type
	}
	mayBind, err := b.bindable(tx, id, deltas)
	if err != nil {
		return nil, err
	}
	for _, d := range deltas {
		key, adds, after := boundBy(d.binding), d.action == accesspb.AccessBindingAction_ADD, iam.SubjectType("")
		if adds {
			after = d.binding.Subject.Type
		}
		if now[key] == after {
			continue
		}
		if adds {
			if err := mayBind(d.binding); err != nil {
				return nil, within(d.field, err)
			}
		}
		if (adds || d.takesOwner()) && !may[d.binding.Role] {
			return nil, notGranted(d.binding.Role, resource.Ref{Kind: b.Kind, ID: id})
		}
		now[key] = after
		effective = append(effective, d)
	}
	var add, remove []iam.AccessBinding
	seen := make(map[bound]bool, len(effective))
	for _, d := range effective {
		key := boundBy(d.binding)
		if seen[key] || before[key] == now[key] {
			continue
		}
		seen[key] = true
		if now[key] != "" {
			add = append(add, d.binding)
		} else {
			remove = append(remove, d.binding)
		}
	}
	if err := store.RemoveBindings(tx, id, remove); err != nil {
		return nil, err
	}
	if err := store.AddBindings(tx, id, add); err != nil {
		return nil, err
	}
	return effective, b.BindingsQuotas.Added(tx, quota.AccessBindings, id, len(add)-len(remove))
}

// bindable looks up the subjects of what is to be added, all at once, and
// returns what says of one binding why it cannot be.
func (b Bindings) bindable(tx *store.Tx, id string, deltas []delta) (func(iam.AccessBinding) error, error) {
	var subjects []iam.Subject
	var owners []iam.SubjectID
	for _, d := range deltas {
		if d.action == accesspb.AccessBindingAction_ADD {
			subjects = append(subjects, d.binding.Subject)
			if d.binding.Role.IsOwner() {
				owners = append(owners, d.binding.Subject.ID)
			}
		}
	}
	organizationID, err := store.OrganizationOf(tx, id)
	if err != nil {
		return nil, err
	}
	known, err := store.KnownSubjects(tx, organizationID, subjects)
	if err != nil {
		return nil, err
	}
	ours, err := store.OrganizationSubjects(tx, organizationID, owners)
	if err != nil {
		return nil, err
	}
	return func(binding iam.AccessBinding) error {
		if binding.Role.IsOwner() && binding.Subject.Type == iam.TypeSystem {
			return iam.InvalidField("subject", "role %s is not for everybody: bind an account, a person or a group", binding.Role)
		}
		if err := b.Grants.Bindable(binding.Role, resource.Ref{Kind: b.Kind, ID: id}, organizationID); err != nil {
			return err
		}
		if err := subjectExists(binding.Subject, known); err != nil {
			return err
		}
		// Who owns something cannot be deleted: made an owner elsewhere, an account
		// would be out of the hands of its own organization.
		if _, belongs := ours[binding.Subject.ID]; binding.Role.IsOwner() && binding.Subject.Type != iam.TypeGroup && !belongs {
			return iam.InvalidField("subject", "role %s is for accounts, members and groups of the organization itself", binding.Role)
		}
		return nil
	}, nil
}
