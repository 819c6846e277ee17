package accessservice

import (
	"errors"
	"fmt"
	"slices"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// errUnknown says that nothing is known of a path, or nothing that the caller
// may ask about.
var errUnknown = errors.New("unknown resource")

// resolve makes a given path whole. From the first element that the tree knows
// on, the tree says what stands above; elements given there must agree. What
// comes before is taken on the caller's word, as far as its types are
// registered and may stand so. A root of another service (iam.gizmo) may end
// the path beside our organization.
func (s *Service) resolve(r access.Reads, by *gate.Caller, q question) ([]resource.Ref, error) {
	given, root, err := s.cutRoot(r, q)
	if err != nil {
		return nil, err
	}
	known, chain, err := firstKnown(r, given)
	if err != nil {
		return nil, err
	}
	if known < len(given) {
		if err := s.mayAskIn(r, by, chain[len(chain)-1]); err != nil {
			return nil, err
		}
	}
	if err := s.checkWord(q, given, known); err != nil {
		return nil, err
	}
	if known == len(given) {
		return nil, errUnknown
	}
	if err := agree(q, given, known, chain); err != nil {
		return nil, err
	}
	if known == 0 && root == nil {
		return chain, nil
	}
	return slices.Concat(given[:known], chain, root), nil
}

// cutRoot takes a root of another service off the end of a path.
func (s *Service) cutRoot(r access.Reads, q question) (rest, root []resource.Ref, err error) {
	end := len(q.path) - 1
	if end == 0 {
		return q.path, nil, nil
	}
	if t, ok := s.Type(q.path[end].Kind); !ok || len(t.Parents) > 0 || q.path[end].Kind == resource.Organization {
		return q.path, nil, nil
	}
	registered, err := r.Ancestors(q.path[end].ID)
	switch {
	case err == nil && registered[0].Kind != q.path[end].Kind:
		return nil, nil, q.invalid(end, "its id is that of another type of resource")
	case err != nil && !errors.Is(err, iam.NotFound):
		return nil, nil, err
	}
	return q.path[:end], q.path[end:], nil
}

// firstKnown finds the first element that the tree knows, and what stands above it.
func firstKnown(r access.Reads, given []resource.Ref) (at int, chain []resource.Ref, err error) {
	for i, e := range given {
		chain, err := r.Ancestors(e.ID)
		if err == nil {
			return i, chain, nil
		}
		if !errors.Is(err, iam.NotFound) {
			return 0, nil, err
		}
	}
	return len(given), nil, nil
}

// mayAskIn hides organizations that a calling service has no rights in.
func (s *Service) mayAskIn(r access.Reads, by *gate.Caller, top resource.Ref) error {
	if by.Everywhere || by.Identity != nil && top.ID == by.Identity.OrganizationID {
		return nil
	}
	if by.Identity == nil || top.Kind != resource.Organization {
		return errUnknown
	}
	d, err := s.Checker.CheckPath(r, by.Identity.Subject, Use, []resource.Ref{top})
	if err == nil && !d.Allowed {
		err = errUnknown
	}
	return err
}

// checkWord looks at the elements that only the caller knows.
func (s *Service) checkWord(q question, given []resource.Ref, known int) error {
	for i, e := range given[:known] {
		t, ok := s.Type(e.Kind)
		if _, own := resource.ParentKind(e.Kind); own {
			return errUnknown // all that there are of these are in the tree
		}
		if !ok {
			return q.invalid(i, "resources of type %q are not registered", e.Kind)
		}
		if i+1 < len(given) && !slices.Contains(t.Parents, given[i+1].Kind) {
			return q.invalid(i+1, "a resource of type %q does not stand below one of type %q", e.Kind, given[i+1].Kind)
		}
	}
	return nil
}

// agree compares the elements after the first known one with the tree. Some
// may be left out; none may be wrong or out of order.
func agree(q question, given []resource.Ref, known int, chain []resource.Ref) error {
	if given[known] != chain[0] {
		return q.invalid(known, "its id is that of another type of resource")
	}
	at := 1
	for i := known + 1; i < len(given); i++ {
		above := slices.Index(chain[at:], given[i])
		if above < 0 {
			return q.invalid(i, "%s does not stand above %s", given[i], given[i-1])
		}
		at += above + 1
	}
	return nil
}

func (q question) invalid(at int, format string, args ...any) error {
	return iam.InvalidField(fmt.Sprintf("%s[%d]", q.at.pathField(), at), format, args...)
}
