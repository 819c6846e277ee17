package resourceapi

import (
	"fmt"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func explanationProto(x *access.Explanation) *propuskpb.Explanation {
	out := &propuskpb.Explanation{
		Allowed: x.Decision.Allowed, Verdict: verdict(x), Permission: string(x.Permission),
		Subject: &accesspb.Subject{Id: string(x.Subject.ID), Type: string(x.Subject.Type)},
		Path:    refsProto(x.Path),
	}
	for _, h := range x.Holders {
		out.Holders = append(out.Holders, &propuskpb.Holder{Id: string(h.ID), Kind: string(h.Kind)})
	}
	for _, b := range x.Bindings {
		out.Bindings = append(out.Bindings, &propuskpb.WeighedBinding{
			Binding: grantProto(b.Grant), Grants: b.Grants, Through: texts(b.Through), Why: b.Why})
	}
	for _, p := range x.Policies {
		out.Policies = append(out.Policies, &propuskpb.WeighedPolicy{
			Resource: refProto(p.Resource), AccessPolicyTemplateId: p.Template, Denies: p.Denies})
	}
	for _, g := range x.Sufficient {
		out.Sufficient = append(out.Sufficient, grantProto(g))
	}
	for _, r := range x.Roles {
		out.Roles = append(out.Roles, &propuskpb.FittingRole{
			RoleId: string(r.Role), Permissions: int64(r.Permissions), On: refsProto(r.On)})
	}
	if x.Smallest != nil {
		out.WouldAllow = grantProto(*x.Smallest)
	}
	return out
}

// verdict says in a sentence what the decision rests on.
func verdict(x *access.Explanation) string {
	who := string(x.Subject.ID)
	if x.Subject.Type == iam.TypeAnonymous {
		who = anonymous
	}
	d := x.Decision
	switch {
	case d.Allowed:
		return fmt.Sprintf("Allowed: %s holds role %s on %s, which has %s.", d.By.Holder, d.By.Role, d.By.Resource, x.Permission)
	case d.DeniedBy != access.Denial{}:
		return fmt.Sprintf("Denied by access policy %s on %s, although a role grants %s.", d.DeniedBy.Template, d.DeniedBy.Resource, x.Permission)
	case len(x.Holders) == 0:
		return fmt.Sprintf("Denied: %s counts as nobody on a %s.", who, x.Path[0].Kind)
	case len(x.Bindings) == 0:
		return fmt.Sprintf("Denied: nothing is bound to %s, or to a group that it is in, on %s or above.", who, x.Path[0])
	case len(x.Bindings) == 1:
		return fmt.Sprintf("Denied: the one binding that counts for %s does not grant %s.", who, x.Permission)
	}
	return fmt.Sprintf("Denied: none of the %d bindings that count for %s grants %s.", len(x.Bindings), who, x.Permission)
}

func grantProto(g access.Grant) *propuskpb.Binding {
	return &propuskpb.Binding{Resource: refProto(g.Resource), RoleId: string(g.Role), SubjectId: string(g.Holder)}
}

func refsProto(refs []resource.Ref) (out []*propuskpb.PathResource) {
	for _, r := range refs {
		out = append(out, refProto(r))
	}
	return out
}

func refProto(r resource.Ref) *propuskpb.PathResource {
	return &propuskpb.PathResource{Type: string(r.Kind), Id: r.ID}
}

func texts(ids []iam.RoleID) (out []string) {
	for _, id := range ids {
		out = append(out, string(id))
	}
	return out
}
