package access

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Explanation is every step of one decision, in the order in which it is made,
// and what would turn it.
type Explanation struct {
	Subject    iam.Subject
	Permission iam.Permission
	Path       []resource.Ref // the resource itself, then its parents, the organization last
	Holders    []Holder       // everyone the subject counts as; none for a subject that cannot call
	Bindings   []BoundRole    // every binding of a holder on the path, from the resource up
	Policies   []BoundPolicy  // every policy on the path, from the resource up
	Decision   Decision       // as Check gives it

	// Sufficient are the bindings that each grant the permission alone; a
	// policy may still deny it.
	Sufficient []Grant
	// Roles are the roles that have the permission and that could be bound
	// somewhere on the path, the smallest first. Set when no binding grants it.
	Roles []RoleSize
	// Smallest is the one least binding that would allow it: the smallest role,
	// as low on the path as it can be bound, to the subject itself. Nil when the
	// roles allow it already, and when no binding could.
	Smallest *Grant
}

// HolderKind says how a subject comes to count as somebody.
type HolderKind string

// The kinds of holder.
const (
	HolderSelf   HolderKind = "self"
	HolderGroup  HolderKind = "group"  // a member of it
	HolderSystem HolderKind = "system" // a group that nobody is put into: of an organization, or of all
)

// Holder is somebody whose bindings count for the subject.
type Holder struct {
	ID   iam.SubjectID
	Kind HolderKind
}

// BoundRole is a binding of a holder on the path, and whether it grants the
// permission.
type BoundRole struct {
	Grant
	Grants bool
	// Through leads from the role to the one that lists the permission itself,
	// by the shortest chain of includes; only the role when it does so itself.
	// Nil when it does not grant.
	Through []iam.RoleID
	Why     string // when it does not grant: why, as a clause for a person to read
}

// BoundPolicy is an access policy on the path, and whether it denies the
// permission.
type BoundPolicy struct {
	Denial
	Denies bool
}

// RoleSize is a role with how many permissions it holds, and the resources of
// the path that it can be bound on.
type RoleSize struct {
	Role        iam.RoleID
	Permissions int
	On          []resource.Ref
}

// Explain makes the decision of Check with nothing left out. bindable says why a
// role cannot be bound on a kind of resource. It fails as Check does.
func (c *Checker) Explain(r Reads, subject iam.Subject, what iam.Permission, resourceID string, bindable func(iam.RoleID, resource.Kind) error) (*Explanation, error) {
	if _, err := c.Catalogue().numberOf(what); err != nil {
		return nil, err
	}
	path, err := r.Ancestors(resourceID)
	if err != nil {
		return nil, err
	}
	return c.ExplainPath(r, subject, what, path, bindable)
}

// ExplainPath is Explain as CheckPath is Check.
func (c *Checker) ExplainPath(r Reads, subject iam.Subject, what iam.Permission, path []resource.Ref, bindable func(iam.RoleID, resource.Kind) error) (*Explanation, error) {
	// All of it with one catalogue, should another be set meanwhile.
	one := NewChecker(c.Catalogue())
	decision, err := one.CheckPath(r, subject, what, path)
	if err != nil {
		return nil, err
	}
	x := &explainer{
		Explanation: &Explanation{Subject: subject, Permission: what, Path: path, Decision: decision},
		catalogue:   one.Catalogue(), bindable: bindable,
	}
	for _, step := range []func(Reads) error{x.holders, x.bindings, x.policies} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	x.remedy()
	return x.Explanation, nil
}

type explainer struct {
	*Explanation
	catalogue *Catalogue
	bindable  func(iam.RoleID, resource.Kind) error
}

func (x *explainer) holders(r Reads) error {
	ids, err := holdersOn(nil, r, x.Subject, x.Path[0].Kind, x.catalogue)
	if err != nil || len(ids) == 0 {
		return err
	}
	var groups []iam.SubjectID
	if x.Subject.ID != "" {
		if groups, err = r.Groups(x.Subject.ID); err != nil {
			return err
		}
	}
	for _, id := range ids {
		kind := HolderSystem
		switch {
		case id == x.Subject.ID:
			kind = HolderSelf
		case slices.Contains(groups, id):
			kind = HolderGroup
		}
		x.Holders = append(x.Holders, Holder{ID: id, Kind: kind})
	}
	return nil
}

func (x *explainer) bindings(r Reads) error {
	ids := make([]iam.SubjectID, len(x.Holders))
	for i, h := range x.Holders {
		ids[i] = h.ID
	}
	type place struct{ at, holder int }
	found := map[place][]iam.RoleID{}
	err := r.Bound(x.Path, ids, func(at, holder int, roles []iam.RoleID) bool {
		found[place{at, holder}] = roles
		return true
	})
	if err != nil {
		return err
	}
	for at, ref := range x.Path {
		for holder, id := range ids {
			for _, role := range found[place{at, holder}] {
				b := x.weigh(Grant{Resource: ref, Holder: id, Role: role})
				x.Bindings = append(x.Bindings, b)
				if b.Grants {
					x.Sufficient = append(x.Sufficient, b.Grant)
				}
			}
		}
	}
	return nil
}

func (x *explainer) weigh(g Grant) BoundRole {
	b := BoundRole{Grant: g}
	switch _, err := x.catalogue.Role(g.Role); {
	case errors.Is(err, iam.NotFound):
		b.Why = "no such role exists any more"
	case !x.catalogue.CountsOn(g.Role, x.Path):
		b.Why = "the role belongs to another organization"
	case !x.catalogue.Grants(g.Role, x.Permission):
		b.Why = "the role does not have the permission"
	default:
		b.Grants, b.Through = true, x.through(g.Role)
	}
	return b
}

// through finds the shortest chain of includes from a role to one that lists
// the permission.
func (x *explainer) through(role iam.RoleID) []iam.RoleID {
	var last []iam.RoleID // through admin, which holds what it does not include
	chains := [][]iam.RoleID{{role}}
	seen := map[iam.RoleID]bool{role: true}
	for len(chains) > 0 {
		chain := chains[0]
		chains = chains[1:]
		at := x.catalogue.index[chain[len(chain)-1]]
		if slices.Contains(x.catalogue.roles[at].Permissions, x.Permission) {
			return chain
		}
		if x.catalogue.roles[at].ID == everything && last == nil {
			last = slices.Concat(chain, x.listing())
		}
		for _, next := range x.includes(at) {
			if !seen[next] {
				seen[next] = true
				chains = append(chains, append(slices.Clone(chain), next))
			}
		}
	}
	return last
}

// listing is one role of everybody's that lists the permission.
func (x *explainer) listing() []iam.RoleID {
	for _, r := range x.catalogue.roles {
		if givesToAdmin(r) && slices.Contains(r.Permissions, x.Permission) {
			return []iam.RoleID{r.ID}
		}
	}
	return nil
}

// includes lists what a role includes, spoken and, for a primitive one, unspoken.
func (x *explainer) includes(at int) []iam.RoleID {
	role := x.catalogue.roles[at]
	if !slices.Contains(primitives, role.ID) {
		return role.Includes
	}
	all := slices.Clone(role.Includes)
	for _, r := range x.catalogue.roles {
		if _, name, _ := strings.Cut(string(r.ID), "."); iam.RoleID(name) == role.ID && r.Organization == "" {
			all = append(all, r.ID)
		}
	}
	return all
}

func (x *explainer) policies(r Reads) error {
	return r.Policies(x.Path, func(at int, templates []string) bool {
		for _, id := range templates {
			denies := slices.Contains(denying()[x.Permission], id)
			x.Policies = append(x.Policies, BoundPolicy{Denial{Resource: x.Path[at], Template: id}, denies})
		}
		return true
	})
}

// remedy finds what would allow what the roles do not.
func (x *explainer) remedy() {
	if len(x.Sufficient) > 0 {
		return
	}
	for i, r := range x.catalogue.roles {
		if !x.catalogue.Grants(r.ID, x.Permission) || !x.catalogue.CountsOn(r.ID, x.Path) {
			continue
		}
		size := RoleSize{Role: r.ID, Permissions: x.catalogue.held[i].count()}
		for _, ref := range x.Path {
			if x.bindable(r.ID, ref.Kind) == nil {
				size.On = append(size.On, ref)
			}
		}
		if len(size.On) > 0 {
			x.Roles = append(x.Roles, size)
		}
	}
	slices.SortStableFunc(x.Roles, func(a, b RoleSize) int { return cmp.Compare(a.Permissions, b.Permissions) })
	denied := slices.ContainsFunc(x.Policies, func(p BoundPolicy) bool { return p.Denies })
	if len(x.Roles) > 0 && len(x.Holders) > 0 && !denied {
		least := x.Roles[0]
		x.Smallest = &Grant{Resource: least.On[0], Holder: x.Holders[0].ID, Role: least.Role}
	}
}

func (s set) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}
