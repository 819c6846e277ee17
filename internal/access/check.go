// Package access decides whether a subject may do something on a resource. It
// owns the role catalogue, the templates of access policies and the rule of
// decision, and nothing else: what is bound where it reads through Reads, and
// neither remembers nor writes a thing.
//
// The rule: a subject holds what is bound to itself, to its groups (groups do
// not contain groups) and to the system groups it belongs to; a binding on a
// resource holds for all that stands below it; roles add up
// [API fact: access-control]. What the roles allow, an access policy on the
// resource or above it may still deny, to everybody [API fact: access-policies].
package access

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Reads is what a decision asks of the world. All answers to one Check must
// hold at one moment. Slices returned are only read.
type Reads interface {
	// Ancestors is the resource itself, then its parents, the organization
	// last; iam.NotFound when there is no such resource.
	Ancestors(id string) ([]resource.Ref, error)
	// Groups are the groups that the subject is a member of.
	Groups(subject iam.SubjectID) ([]iam.SubjectID, error)
	// OrganizationGroups are the system groups (iam.OrganizationUsers) of the
	// organizations that the subject belongs to.
	OrganizationGroups(subject iam.SubjectID) ([]iam.SubjectID, error)
	// Bound calls visit for every pair of a resource of path and a subject of
	// holders that has roles bound, in any order and some perhaps twice, with
	// their indexes, until visit returns false.
	Bound(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error
	// Policies calls visit for every resource of path that has access policies
	// bound, the lowest first, with its index and the ids of their templates in
	// order, until visit returns false.
	Policies(path []resource.Ref, visit func(at int, templates []string) bool) error
}

// Decision is the answer to a check.
type Decision struct {
	Allowed  bool
	Path     []resource.Ref // the resource itself, then its parents, the organization last; read only
	By       Grant          // one binding that allows it; zero when it is not allowed
	DeniedBy Denial         // the policy that denies what the roles allow; zero when none does, or the roles do not
}

// Grant is a binding where it is bound.
type Grant struct {
	Resource resource.Ref
	Holder   iam.SubjectID // the subject or a group it counts as
	Role     iam.RoleID
}

// Denial is an access policy where it is bound.
type Denial struct {
	Resource resource.Ref
	Template string // its id
}

// Checker decides with the roles of one catalogue. Safe for concurrent use.
type Checker struct {
	catalogue atomic.Pointer[Catalogue]
	pool      sync.Pool
}

// NewChecker makes a checker.
func NewChecker(c *Catalogue) *Checker {
	ch := &Checker{}
	ch.catalogue.Store(c)
	ch.pool.New = func() any {
		q := &question{}
		q.visit, q.forbid = q.weigh, q.veto // made once: a method value is an allocation
		return q
	}
	return ch
}

// Catalogue is the roles that the checker decides with.
func (c *Checker) Catalogue() *Catalogue { return c.catalogue.Load() }

// SetCatalogue makes the checks that begin from now on use other roles.
func (c *Checker) SetCatalogue(to *Catalogue) { c.catalogue.Store(to) }

// Check decides. It reports iam.NotFound for a resource that does not exist,
// iam.InvalidArgument for a permission that is in no role, and whatever the
// reads fail with. It allocates nothing when the reads do not.
func (c *Checker) Check(r Reads, subject iam.Subject, what iam.Permission, resourceID string) (Decision, error) {
	catalogue := c.catalogue.Load()
	number, err := catalogue.numberOf(what)
	if err != nil {
		return Decision{}, err
	}
	path, err := r.Ancestors(resourceID)
	if err != nil {
		return Decision{}, err
	}
	return c.decide(r, subject, what, path, catalogue, number)
}

// CheckPath is Check on a way up that the caller has put together: what stands
// below our tree, if anything, and then the Ancestors of the lowest resource
// that is in it. It reports iam.InvalidArgument for an empty path.
func (c *Checker) CheckPath(r Reads, subject iam.Subject, what iam.Permission, path []resource.Ref) (Decision, error) {
	catalogue := c.catalogue.Load()
	number, err := catalogue.numberOf(what)
	if err != nil {
		return Decision{}, err
	}
	if len(path) == 0 {
		return Decision{}, iam.Errorf(iam.InvalidArgument, "The resource path is empty")
	}
	return c.decide(r, subject, what, path, catalogue, number)
}

// Forbids looks for an access policy that denies a permission on a resource
// whatever the roles say: for what somebody may do without a role, with
// himself. It reports iam.NotFound for a resource that does not exist,
// iam.InvalidArgument for a permission that is in no role, and whatever the
// reads fail with. Allowed tells that no policy denies it.
func (c *Checker) Forbids(r Reads, what iam.Permission, resourceID string) (Decision, error) {
	if _, err := c.catalogue.Load().numberOf(what); err != nil {
		return Decision{}, err
	}
	path, err := r.Ancestors(resourceID)
	if err != nil {
		return Decision{}, err
	}
	q := c.pool.Get().(*question)
	defer c.release(q)
	q.what, q.path = what, path
	if err := r.Policies(path, q.forbid); err != nil {
		return Decision{}, err
	}
	return Decision{Allowed: q.denied == (Denial{}), Path: path, DeniedBy: q.denied}, nil
}

func (c *Catalogue) numberOf(what iam.Permission) (int, error) {
	n, ok := c.numbers[what]
	if !ok {
		return 0, iam.Errorf(iam.InvalidArgument, "Permission %s does not exist", what)
	}
	return n, nil
}

func (c *Checker) decide(r Reads, subject iam.Subject, what iam.Permission, path []resource.Ref, catalogue *Catalogue, number int) (d Decision, err error) {
	q := c.pool.Get().(*question)
	defer c.release(q)
	q.catalogue, q.number, q.what, q.path = catalogue, number, what, path
	if q.holders, err = holdersOn(q.holders[:0], r, subject, path[0].Kind, catalogue); err != nil {
		return Decision{}, err
	}
	if err := r.Bound(path, q.holders, q.visit); err != nil {
		return Decision{}, err
	}
	if q.found && len(denying()[what]) > 0 {
		if err := r.Policies(path, q.forbid); err != nil {
			return Decision{}, err
		}
	}
	if q.denied != (Denial{}) {
		return Decision{Path: path, DeniedBy: q.denied}, nil
	}
	return Decision{Allowed: q.found, Path: path, By: q.by}, nil
}

// Holders appends everyone a subject counts as: itself, its groups, and the
// system groups it belongs to. A subject that cannot call (a group, nobody)
// counts as no one; so does one who has not said who he is, but for the kinds
// of resource that are open to him, which Check looks at.
func Holders(dst []iam.SubjectID, r Reads, s iam.Subject) ([]iam.SubjectID, error) {
	if s.ID == "" || (s.Type != iam.TypeUserAccount && s.Type != iam.TypeServiceAccount && s.Type != iam.TypeFederatedUser) {
		return dst, nil
	}
	groups, err := r.Groups(s.ID)
	if err != nil {
		return dst, err
	}
	organizations, err := r.OrganizationGroups(s.ID)
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, len(groups)+len(organizations)+3)
	dst = append(dst, s.ID)
	dst = append(dst, groups...)
	dst = append(dst, organizations...)
	return append(dst, iam.AllAuthenticatedUsers, iam.AllUsers), nil
}

// holdersOn is Holders on a kind of resource. Only where the kind is marked for
// it does allUsers mean also those who have not said who they are
// [API fact: public-group].
func holdersOn(dst []iam.SubjectID, r Reads, s iam.Subject, kind resource.Kind, c *Catalogue) ([]iam.SubjectID, error) {
	if s == (iam.Subject{Type: iam.TypeAnonymous}) && c.Anonymous(kind) {
		return append(dst, iam.AllUsers), nil
	}
	return Holders(dst, r, s)
}

// question is one check under way. It is kept between checks for its space.
type question struct {
	catalogue *Catalogue
	number    int
	what      iam.Permission
	path      []resource.Ref
	holders   []iam.SubjectID
	visit     func(at, holder int, roles []iam.RoleID) bool
	forbid    func(at int, templates []string) bool
	found     bool
	by        Grant
	denied    Denial
}

func (q *question) weigh(at, holder int, roles []iam.RoleID) bool {
	for _, role := range roles {
		if q.catalogue.grantsOn(role, q.number, q.path) {
			q.found, q.by = true, Grant{Resource: q.path[at], Holder: q.holders[holder], Role: role}
			return false
		}
	}
	return true
}

func (q *question) veto(at int, templates []string) bool {
	for _, id := range denying()[q.what] {
		if slices.Contains(templates, id) {
			q.denied = Denial{Resource: q.path[at], Template: id}
			return false
		}
	}
	return true
}

func (c *Checker) release(q *question) {
	clear(q.holders)
	*q = question{holders: q.holders[:0], visit: q.visit, forbid: q.forbid}
	c.pool.Put(q)
}

// grantsOn tells whether a role that is bound on a path grants a permission there.
func (c *Catalogue) grantsOn(role iam.RoleID, number int, path []resource.Ref) bool {
	return c.grants(role, number) && c.CountsOn(role, path)
}

// CountsOn tells whether a role means anything where it is bound on a path: one
// of a single organization does so in that organization only.
func (c *Catalogue) CountsOn(role iam.RoleID, path []resource.Ref) bool {
	only := c.organizationOf(role)
	return only == "" || slices.ContainsFunc(path, func(r resource.Ref) bool { return r.Kind == resource.Organization && r.ID == only })
}
