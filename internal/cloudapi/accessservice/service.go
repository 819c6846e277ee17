// Package accessservice serves yandex.cloud.priv.servicecontrol.v1 and
// yandex.cloud.priv.accessservice.v2: what other services ask about those who
// call them. It owns the reading of resource paths, and the answers' shape; who
// somebody is and what he may do is said by the rooms behind it.
//
// Both packages have one implementation, Service. An answer that somebody may
// not do something is no refusal of the caller: it leaves no audit line, and
// for a resource that is unknown, or in an organization that the caller may not
// ask about, it is the same as for one where the subject has no rights.
package accessservice

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Use is the permission of a service that calls with a token: on its own
// organization, or it may ask nothing; on another one, to ask about it.
const Use iam.Permission = "iam.accessService.use"

// Rules are the rows of both packages.
var Rules = slices.Concat(
	gate.Rules("yandex.cloud.priv.servicecontrol.v1.AccessService", rows()...),
	gate.Rules("yandex.cloud.priv.accessservice.v2.AccessService", rows()...),
)

func rows() []gate.Rule {
	return []gate.Rule{
		{Method: "Authenticate", Proof: gate.Service, Why: "the service shows somebody else's credential"},
		{Method: "Authorize", Proof: gate.Service, Why: "the service asks about the types it is registered with"},
		{Method: "BulkAuthorize", Proof: gate.Service, Why: "the service asks about the types it is registered with"},
	}
}

// Checker decides on a path that is already known.
type Checker interface {
	CheckPath(r access.Reads, subject iam.Subject, what iam.Permission, path []resource.Ref) (access.Decision, error)
}

// Accounts are the subjects that a service may name; iam.NotFound for others.
type Accounts interface {
	ServiceAccount(ctx context.Context, id string) (*iam.ServiceAccount, error)
	UserAccount(ctx context.Context, id string) (*iam.UserAccount, error)
}

// Service answers for both packages. All fields are required; it is safe for
// concurrent use.
type Service struct {
	Proofs   map[Kind]Proof // by kind of credential; those of a kind that is not here are nobody's
	Accounts Accounts
	Checker  Checker
	// Scoped tells whether an API key with some scopes may be used for a
	// permission; asked after Permission.
	Scoped func(scopes []string, p iam.Permission) bool
	// Permission tells whether there is such a permission by now.
	Permission func(context.Context, iam.Permission) (bool, error)
	// Type describes a registered type of resource; asked within Consistent.
	Type func(resource.Kind) (access.ResourceType, bool)
	// Consistent lends reads that all hold at one moment. The function may run
	// several times.
	Consistent func(ctx context.Context, fn func(access.Reads) error) error
	Now        func() time.Time
}

// question is one permission on one resource.
type question struct {
	permission iam.Permission
	path       []resource.Ref // as given: the resource first
	at         place
}

// verdict is the answer to a question.
type verdict struct {
	question
	full   []resource.Ref // the resource and all above it
	denied *iam.Error     // nil when allowed
}

// authenticate says whose credential it is.
func (s *Service) authenticate(ctx context.Context, c Claim) (account, error) {
	call := gate.From(ctx)
	who, err := s.prove(ctx, call.Service, c)
	return who, answer(call, err)
}

// authorize answers one question; a denial is an error.
func (s *Service) authorize(ctx context.Context, c Claim, q question) (account, []resource.Ref, error) {
	call := gate.From(ctx)
	if err := s.check(ctx, call.Service, q); err != nil {
		return account{}, nil, err
	}
	who, err := s.prove(ctx, call.Service, c)
	if err != nil {
		return account{}, nil, answer(call, err)
	}
	var v verdict
	err = s.Consistent(ctx, func(r access.Reads) (err error) {
		v, err = s.decide(r, call.Service, who, q)
		return err
	})
	if err != nil {
		return account{}, nil, err
	}
	if v.denied != nil {
		return account{}, nil, call.Answers(v.denied)
	}
	return who, v.full, nil
}

// bulk answers many questions about one subject, at one moment. A credential
// that is not good is UNAUTHENTICATED and no failure of the call.
func (s *Service) bulk(ctx context.Context, c Claim, questions []question, firstFailed bool) (account, []verdict, error) {
	call := gate.From(ctx)
	for _, q := range questions {
		if err := s.check(ctx, call.Service, q); err != nil {
			return account{}, nil, err
		}
	}
	who, err := s.prove(ctx, call.Service, c)
	if err != nil {
		return account{}, nil, err
	}
	verdicts := make([]verdict, 0, len(questions))
	err = s.Consistent(ctx, func(r access.Reads) error {
		verdicts = verdicts[:0]
		for _, q := range questions {
			v, err := s.decide(r, call.Service, who, q)
			if err != nil {
				return err
			}
			verdicts = append(verdicts, v)
			if firstFailed && v.denied != nil {
				return nil
			}
		}
		return nil
	})
	return who, verdicts, err
}

// answer tells an answer, that a credential is not good, from a failure.
func answer(call *gate.Call, err error) error {
	if iam.KindOf(err) == iam.Unauthenticated {
		return call.Answers(err)
	}
	return err
}

// decide answers one question with reads of one moment.
func (s *Service) decide(r access.Reads, by *gate.Caller, who account, q question) (verdict, error) {
	v := verdict{question: q}
	way, err := s.resolve(r, by, q)
	if errors.Is(err, errUnknown) {
		v.denied = gate.Denied(q.path)
		return v, nil
	}
	if err != nil {
		return v, err
	}
	if v.full = way.full; who.scopes != nil && !s.Scoped(who.scopes, q.permission) {
		v.denied = gate.Denied(q.path)
		return v, nil
	}
	d, err := s.Checker.CheckPath(r, who.subject, q.permission, way.weighed)
	if err != nil {
		return v, err
	}
	if !d.Allowed {
		v.denied = gate.Denied(q.path)
	}
	return v, nil
}

// check refuses permissions that there are not, and questions about types that
// the caller is not registered with.
func (s *Service) check(ctx context.Context, c *gate.Caller, q question) error {
	if known, err := s.Permission(ctx, q.permission); err != nil {
		return err
	} else if !known {
		return iam.InvalidField(q.at.permissionField(), "Permission %s does not exist", q.permission)
	}
	if kind := q.path[0].Kind; c.Types != nil && !c.Types[kind] {
		return notRegistered(c, kind)
	}
	return nil
}

func notRegistered(c *gate.Caller, kind resource.Kind) error {
	return &iam.Error{Kind: iam.PermissionDenied, Reason: "caller_type",
		Message: "The service " + c.Name + " is not registered to ask about resources of type " + string(kind)}
}
