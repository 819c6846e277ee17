package registryapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
)

// registryKind is what a registry is in the tree.
const registryKind resource.Kind = "container-registry.registry"

const (
	mayPull   iam.Permission = "container-registry.images.pull"
	mayPush   iam.Permission = "container-registry.images.push"
	mayDelete iam.Permission = "container-registry.images.delete"
	mayList   iam.Permission = "container-registry.repositories.list"
)

// ofRepository are the permissions behind an action on a repository; all of them
// are needed.
var ofRepository = map[string][]iam.Permission{
	"pull": {mayPull}, "push": {mayPush}, "delete": {mayDelete}, "*": {mayPull, mayPush, mayDelete},
}

// roles are the least builtin ones that have a permission, for those who lack it.
var roles = map[iam.Permission]iam.RoleID{
	mayPull: "container-registry.images.puller", mayPush: "container-registry.images.pusher",
	mayDelete: "container-registry.images.pusher", mayList: "container-registry.auditor",
}

// lack is something that was asked for and is not granted, and why.
type lack struct {
	access   mint.RegistryAccess
	what     iam.Permission // "" when no permission gives it
	registry string         // id; "" when the name holds none
	scope    bool           // it is the API key that lacks it
}

// grant decides about everything that is asked for. Of one thing, all that
// changes it is granted or nothing is: a client that asks to push will push, and
// is better told now what is missing than by a registry that knows no reason.
func (s *Service) grant(ctx context.Context, registry Registry, asked []mint.RegistryAccess) (granted []mint.RegistryAccess, missing []lack, err error) {
	for _, a := range asked {
		given, lacks, err := s.decide(ctx, registry, a)
		if err != nil {
			return nil, nil, err
		}
		missing = append(missing, lacks...)
		if slices.ContainsFunc(lacks, func(l lack) bool { return l.what != "" && l.what != mayPull }) {
			continue
		}
		if len(given) > 0 {
			granted = append(granted, mint.RegistryAccess{Type: a.Type, Class: a.Class, Name: a.Name, Actions: given})
		}
	}
	return granted, missing, nil
}

func (s *Service) decide(ctx context.Context, registry Registry, a mint.RegistryAccess) (given []string, lacks []lack, err error) {
	id := registry.Resource
	if first, _, below := strings.Cut(a.Name, "/"); id == "" && below && a.Type == "repository" {
		id = first
	}
	for _, action := range a.Actions {
		needed := neededFor(a, action)
		if len(needed) == 0 {
			lacks = append(lacks, lack{access: a, registry: id})
			continue
		}
		short, err := s.lacks(ctx, a, needed, id)
		if err != nil {
			return nil, nil, err
		}
		if len(short) == 0 {
			given = append(given, action)
		}
		lacks = append(lacks, short...)
	}
	return given, lacks, nil
}

// neededFor is the permissions behind an action; none when nobody can be given it.
func neededFor(a mint.RegistryAccess, action string) []iam.Permission {
	switch {
	case a.Type == "repository" && (a.Class == "" || a.Class == "plugin"):
		return ofRepository[action]
	case a.Type == "registry" && a.Class == "" && a.Name == "catalog" && action == "*":
		return []iam.Permission{mayList}
	}
	return nil
}

// lacks is which of some permissions the caller has not.
func (s *Service) lacks(ctx context.Context, a mint.RegistryAccess, needed []iam.Permission, id string) (out []lack, err error) {
	for _, what := range needed {
		l := lack{access: a, what: what, registry: id}
		may := id != ""
		if may {
			if may, l.scope, err = s.may(ctx, what, id); err != nil {
				return nil, err
			}
		}
		if !may {
			out = append(out, l)
		}
	}
	return out, nil
}

// may asks for one permission. What is no registry, what is hidden and what does
// not exist are all the same no.
func (s *Service) may(ctx context.Context, what iam.Permission, id string) (may, scope bool, err error) {
	call := gate.From(ctx)
	who := iam.Subject{Type: iam.TypeAnonymous}
	if call.Identity != nil {
		who = call.Identity.Subject
		if call.Identity.Scopes != nil && !s.Scoped(call.Identity.Scopes, what) {
			return false, true, nil
		}
	}
	d, err := s.Decide(ctx, who, what, id)
	if errors.Is(err, iam.NotFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	if d.Path[0].Kind != registryKind {
		return false, false, nil
	}
	if call.Path == nil { // the first one stands for all in the audit line, whose details tell the rest
		call.Target, call.Path = id, d.Path
	}
	return d.Allowed, false, nil
}

// denied words what is missing, for the person who reads it in docker's or helm's
// output. It says the same of a registry that is hidden and of none.
func denied(who iam.Subject, missing []lack) error {
	l := missing[0]
	thing := l.access.Type + " " + l.access.Name
	e := &iam.Error{Kind: iam.PermissionDenied, Reason: "denied"}
	switch {
	case l.what == "":
		e.Message = fmt.Sprintf("What is asked for on the %s does not exist here: repositories have pull, push and delete", thing)
	case l.registry == "" && l.what == mayList:
		e.Message = "The catalog lists the repositories of everybody, and so nobody may read it here"
	case l.registry == "":
		e.Message = fmt.Sprintf("The name of the %s does not begin with a registry's id: it must be REGISTRY-ID/NAME", thing)
	case l.scope:
		e.Message = fmt.Sprintf("The API key has no scope that allows %s, which is needed for the %s: make one with the scope %s", l.what, thing, scopeFor(l.what))
	default:
		what, role := together(missing)
		e.Message = fmt.Sprintf("%s %s needs the permission %s on the registry %s for the %s, which the role %s has; or there is no such registry",
			kinds[who.Type], who.ID, what, l.registry, thing, role)
	}
	return e
}

// together lists the permissions that are missing for the first thing, the
// weightiest first, and the role that has them all.
func together(missing []lack) (what string, role iam.RoleID) {
	for _, p := range []iam.Permission{mayPush, mayDelete, mayPull, mayList} {
		if !slices.ContainsFunc(missing, func(l lack) bool { return l.what == p && l.access.Name == missing[0].access.Name }) {
			continue
		}
		if role == "" {
			what, role = string(p), roles[p]
			continue
		}
		what += " and " + string(p)
	}
	return what, role
}

var kinds = map[iam.SubjectType]string{iam.TypeServiceAccount: "Service account", iam.TypeUserAccount: "User account"}

func scopeFor(what iam.Permission) string {
	if what == mayPull || what == mayList {
		return "propusk.container-registry.pull"
	}
	return "propusk.container-registry.push"
}

func notSignedIn(asked bool) error {
	e := &iam.Error{Kind: iam.Unauthenticated, Reason: ReasonNotSignedIn,
		Message: "The request carries no user name and password: sign in as iam, oauth, api_key or json_key"}
	if asked {
		e.Message = "This is not public, or does not exist: sign in as iam, oauth, api_key or json_key"
	}
	return e
}
