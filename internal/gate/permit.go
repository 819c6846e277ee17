package gate

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// permit asks whether the caller may do this here. A caller who neither
// belongs to the resource's organization nor is bound in it gets the same
// NOT_FOUND as for an id that was never given out.
func (g *Gate) permit(ctx context.Context, c *Call, ep *endpoint, m proto.Message) error {
	if ep.target == nil || ep.rule.Permission == "" {
		return nil
	}
	id, err := g.targetOf(ctx, c, ep, m)
	if err != nil {
		return err
	}
	d, err := g.ask(ctx, c, ep.rule.Permission, ep.rule.Target.Kind, id, m.ProtoReflect().Get(ep.target).String(), ep.rule.Target.Via)
	if err != nil {
		return err
	}
	c.Target, c.Path = id, d.Path
	return nil
}

// targetOf is the id of the resource in the tree that the rule asks about.
func (g *Gate) targetOf(ctx context.Context, c *Call, ep *endpoint, m proto.Message) (string, error) {
	t := ep.rule.Target
	id := m.ProtoReflect().Get(ep.target).String()
	if id == "" && t.Caller {
		if c.Caller().Type != iam.TypeServiceAccount {
			return "", iam.InvalidField(t.Field, "required, because the caller is not a service account")
		}
		return string(c.Caller().ID), nil
	}
	if id == "" { // not every descriptor says that it is required
		return "", iam.InvalidField(t.Field, "required")
	}
	if t.Via == "" {
		return id, nil
	}
	owner, err := g.cfg.Lookups[t.Via](ctx, id)
	if errors.Is(err, iam.NotFound) {
		return "", notFound(t.Via, id, reasonGone)
	}
	return owner, err
}

// ask decides one question and words the refusal. shown and thing are what the
// caller named, when that is not the resource itself.
func (g *Gate) ask(ctx context.Context, c *Call, what iam.Permission, kind resource.Kind, id, shown, thing string) (Decision, error) {
	if thing == "" {
		thing = string(kind)
	}
	if shown == "" {
		shown = id
	}
	d, err := g.cfg.Access.Decide(ctx, c.Caller(), what, id)
	if errors.Is(err, iam.NotFound) {
		return d, notFound(thing, shown, reasonGone)
	}
	if err != nil {
		return d, err
	}
	if kind != "" && d.Path[0].Kind != kind {
		return d, notFound(thing, shown, "")
	}
	if d.Allowed {
		c.RestsOn(d)
		return d, nil
	}
	c.Target, c.Path = id, d.Path
	knows, err := g.cfg.Access.Knows(ctx, c.Caller(), d.Path[len(d.Path)-1].ID)
	if err != nil {
		return d, err
	}
	if !knows {
		return d, notFound(thing, shown, ReasonHidden)
	}
	if d.DeniedBy != "" {
		return d, deniedByPolicy(d)
	}
	return d, Denied(d.Path)
}

// Require asks for one more permission from inside a handler that touches a
// second resource. kind may be "" when any kind will do. It fails as the
// corridor does: PERMISSION_DENIED or NOT_FOUND.
func Require(ctx context.Context, what iam.Permission, kind resource.Kind, id string) error {
	c := From(ctx)
	d, err := c.gate.ask(ctx, c, what, kind, id, "", "")
	if err == nil && c.Path == nil {
		c.Target, c.Path = id, d.Path // what the call turned out to be about
	}
	return err
}

// NotForbidden fails with PERMISSION_DENIED when an access policy on a resource
// or above it denies a permission. It is for handlers of what a caller may do
// with itself without any role: id is then the caller's own, or of where the
// caller lives, and so is not hidden from it.
func NotForbidden(ctx context.Context, what iam.Permission, id string) error {
	c := From(ctx)
	d, err := c.gate.cfg.Access.Forbids(ctx, what, id)
	if err != nil {
		return err
	}
	if c.Path == nil {
		c.Target, c.Path = id, d.Path
	}
	if !d.Allowed {
		return deniedByPolicy(d)
	}
	c.RestsOn(d)
	return nil
}

// Allows tells whether the caller has a permission on a resource, without refusing.
func Allows(ctx context.Context, what iam.Permission, id string) (bool, error) {
	c := From(ctx)
	d, err := c.gate.cfg.Access.Decide(ctx, c.Caller(), what, id)
	if errors.Is(err, iam.NotFound) {
		return false, nil
	}
	return d.Allowed, err
}

// Knows tells whether the caller may learn what exists in an organization.
func Knows(ctx context.Context, organizationID string) (bool, error) {
	c := From(ctx)
	return c.gate.cfg.Access.Knows(ctx, c.Caller(), organizationID)
}

var things = map[string]string{
	string(resource.Organization): "Organization", string(resource.Cloud): "Cloud", string(resource.Folder): "Folder",
	string(resource.ServiceAccount): "Service account", string(resource.Group): "Group", "key": "Key", "apiKey": "API key", "accessKey": "Access key", "subject_container": "Subject container", "quotaRequest": "Quota request",
	"oauthClient": "OAuth client", "oauthClientSecret": "OAuth client secret",
}

// Reasons behind a NOT_FOUND, which look alike to the caller: there is nothing
// (any more), or there is something that he may not know of. The second is a
// refusal.
const (
	reasonGone   = "gone"
	ReasonHidden = "hidden"
)

func notFound(thing, id, reason string) error {
	name, ok := things[thing]
	if !ok {
		name = "Resource"
	}
	return &iam.Error{Kind: iam.NotFound, Message: name + " " + id + " not found", Reason: reason}
}

// deniedByPolicy words a refusal of what the caller's roles allow.
func deniedByPolicy(d Decision) error {
	return &iam.Error{
		Kind: iam.PermissionDenied, Reason: "denied-by-policy",
		Message: permissionTo(d.Path) + " denied by access policy " + d.DeniedBy + " on " + d.DeniedOn.String(),
	}
}

func permissionTo(path []resource.Ref) string {
	var b strings.Builder
	b.WriteString("Permission to [")
	for i, r := range path {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(r.String())
	}
	b.WriteByte(']')
	return b.String()
}
