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

// way is a path that is whole.
type way struct {
	full    []resource.Ref // as it is answered: the resource and all above it
	weighed []resource.Ref // as it is decided on: what the tree did not say has no id, so that nothing is bound to it
}

// resolve makes a given path whole. From the first element on that the tree
// knows, in an organization that the caller may ask about, the tree says what
// stands above; elements given there must agree. What comes before is taken on
// the caller's word, as far as its types are registered and may stand so. A
// root of another service (iam.gizmo) may end the path beside our organization.
//
// An id that is hidden from the caller is treated as one that there is not.
func (s *Service) resolve(r access.Reads, by *gate.Caller, q question) (way, error) {
	given, root, err := s.cutRoot(r, by, q)
	if err != nil {
		return way{}, err
	}
	known, chain, err := s.climb(r, by, q, given)
	if err != nil {
		return way{}, err
	}
	if err := agree(q, given, known, chain); err != nil {
		return way{}, err
	}
	if known == 0 && root == (cut{}) {
		return way{chain, chain}, nil
	}
	w := way{full: make([]resource.Ref, 0, known+len(chain)+1)}
	w.full = append(append(w.full, given[:known]...), chain...)
	if root != (cut{}) {
		w.full = append(w.full, root.Ref)
	}
	if w.weighed = w.full; known > 0 || root.onWord {
		w.weighed = slices.Clone(w.full)
		for i := range w.weighed {
			if i < known || root.onWord && i == known+len(chain) {
				w.weighed[i].ID = ""
			}
		}
	}
	return w, nil
}

// cut is a root of another service at the end of a path; the zero cut is none.
type cut struct {
	resource.Ref
	onWord bool // nobody registered it, or the caller may not ask about it
}

// cutRoot takes a root of another service off the end of a path.
func (s *Service) cutRoot(r access.Reads, by *gate.Caller, q question) (rest []resource.Ref, root cut, err error) {
	end := len(q.path) - 1
	if end == 0 {
		return q.path, cut{}, nil
	}
	last := q.path[end]
	if t, ok := s.Type(last.Kind); !ok || len(t.Parents) > 0 || last.Kind == resource.Organization {
		return q.path, cut{}, nil
	}
	root = cut{last, true}
	registered, err := r.Ancestors(last.ID)
	switch {
	case errors.Is(err, iam.NotFound):
	case err != nil:
		return nil, cut{}, err
	case registered[0].Kind == last.Kind:
		root.onWord = !by.Everywhere && by.Types != nil && !by.Types[last.Kind]
	default:
		switch err := s.mayAskIn(r, by, registered[len(registered)-1]); {
		case err == nil:
			return nil, cut{}, q.invalid(end, "its id is that of another type of resource")
		case !errors.Is(err, errUnknown):
			return nil, cut{}, err
		}
	}
	return q.path[:end], root, nil
}

// climb finds the first element that the tree knows and the caller may ask
// about, and what stands above it. It looks at each element before it goes on
// to the next, so that what is impossible costs no look-ups.
func (s *Service) climb(r access.Reads, by *gate.Caller, q question, given []resource.Ref) (at int, chain []resource.Ref, err error) {
	for i, e := range given {
		chain, err := r.Ancestors(e.ID)
		if err == nil {
			err = s.mayAskIn(r, by, chain[len(chain)-1])
		}
		if err == nil {
			return i, chain, nil
		}
		if !errors.Is(err, iam.NotFound) && !errors.Is(err, errUnknown) {
			return 0, nil, err
		}
		if err := s.checkWord(q, given, i); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, errUnknown
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

// checkWord looks at an element that only the caller knows.
func (s *Service) checkWord(q question, given []resource.Ref, i int) error {
	if _, own := resource.ParentKind(given[i].Kind); own {
		return errUnknown // all that there are of these are in the tree
	}
	t, ok := s.Type(given[i].Kind)
	if !ok {
		return q.invalid(i, "resources of type %q are not registered", given[i].Kind)
	}
	if i+1 < len(given) && !slices.Contains(t.Parents, given[i+1].Kind) {
		return q.invalid(i+1, "a resource of type %q does not stand below one of type %q", given[i].Kind, given[i+1].Kind)
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
