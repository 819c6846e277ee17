package access

import (
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Primitive roles hold the role of the same name of every service.
var primitives = []iam.RoleID{"auditor", "viewer", "editor", "admin"}

// everything holds each permission of everybody's roles, so that there is
// somebody who can hand it out, but for what is the owners' own.
const everything iam.RoleID = "admin"

// givesToAdmin tells whether what a role lists is admin's too.
func givesToAdmin(r iam.Role) bool { return r.Organization == "" && !slices.Contains(owners, r.ID) }

// What the owner roles list themselves is theirs: no other role may hold it,
// or the rule that only owners make owners would have a way around.
var owners = []iam.RoleID{"resource-manager.clouds.owner", "organization-manager.organizations.owner"}

// Catalogue is every role this server knows, each compiled to the set of all
// permissions it holds, with the scopes of API keys and the resource types. It
// never changes after Compile and is safe for concurrent use.
type Catalogue struct {
	roles   []iam.Role // sorted by id
	index   map[iam.RoleID]int
	held    []set // by index: its own and, through includes, others' permissions
	numbers map[iam.Permission]int
	scopes  []Scope // sorted by id
	narrow  map[string]set
	types   []ResourceType // sorted by type
	kinds   map[resource.Kind]int
}

// set is a set of permission numbers, one bit each.
type set []uint64

func (s set) has(n int) bool { return s[n>>6]>>(n&63)&1 != 0 }
func (s set) add(n int)      { s[n>>6] |= 1 << (n & 63) }
func (s set) addAll(o set) {
	for i, w := range o {
		s[i] |= w
	}
}

// within tells whether o holds everything that s holds.
func (s set) within(o set) bool {
	for i, w := range s {
		if w&^o[i] != 0 {
			return false
		}
	}
	return true
}

// Roles lists all roles, sorted by id. The slice and what it points to must
// not be changed.
func (c *Catalogue) Roles() []iam.Role { return c.roles }

// Role returns one role; iam.NotFound when there is none with that id.
func (c *Catalogue) Role(id iam.RoleID) (iam.Role, error) {
	i, ok := c.index[id]
	if !ok {
		return iam.Role{}, UnknownRole(id)
	}
	return c.roles[i], nil
}

// UnknownRole is what is said of a role that does not exist, and of one that
// the asker must not know of.
func UnknownRole(id iam.RoleID) error { return iam.Errorf(iam.NotFound, "Role %s not found", id) }

// organizationOf is the organization in which alone a role counts; "" for
// everybody's and for one that does not exist.
func (c *Catalogue) organizationOf(id iam.RoleID) string {
	if i, ok := c.index[id]; ok {
		return c.roles[i].Organization
	}
	return ""
}

// Has tells whether a permission exists, that is, whether any role holds it.
func (c *Catalogue) Has(p iam.Permission) bool {
	_, ok := c.numbers[p]
	return ok
}

// Grants tells whether a role holds a permission, itself or through what it
// includes. A role or a permission that does not exist grants nothing.
func (c *Catalogue) Grants(role iam.RoleID, p iam.Permission) bool {
	n, ok := c.numbers[p]
	return ok && c.grants(role, n)
}

func (c *Catalogue) grants(role iam.RoleID, number int) bool {
	i, ok := c.index[role]
	return ok && c.held[i].has(number)
}

// CoversAll tells whether some roles together hold every permission that
// another one holds. A role that does not exist is covered by nothing.
func (c *Catalogue) CoversAll(roles []iam.RoleID, other iam.RoleID) bool {
	j, ok := c.index[other]
	if !ok {
		return false
	}
	union := make(set, len(c.held[j]))
	for _, r := range roles {
		if i, ok := c.index[r]; ok {
			union.addAll(c.held[i])
		}
	}
	return c.held[j].within(union)
}

// Scopes lists the scopes that an API key may have, sorted by id. The slice
// and what it points to must not be changed.
func (c *Catalogue) Scopes() []Scope { return c.scopes }

// ScopeAllows tells whether an API key with some scopes may be used for a
// permission: one of them must list it. Scopes only narrow; what the key's
// service account holds is another question. No scopes, and a scope that does
// not exist, allow nothing.
func (c *Catalogue) ScopeAllows(scopes []string, p iam.Permission) bool {
	n, ok := c.numbers[p]
	return ok && slices.ContainsFunc(scopes, func(id string) bool {
		s, known := c.narrow[id]
		return known && s.has(n)
	})
}

// ResourceTypes lists the types of resource, sorted. The slice and what it
// points to must not be changed.
func (c *Catalogue) ResourceTypes() []ResourceType { return c.types }

// ResourceType returns a type of resource; false when nobody registered it.
func (c *Catalogue) ResourceType(kind resource.Kind) (ResourceType, bool) {
	i, ok := c.kinds[kind]
	if !ok {
		return ResourceType{}, false
	}
	return c.types[i], true
}

// Anonymous tells whether allUsers covers, on a type of resource, also who has
// not proved itself.
func (c *Catalogue) Anonymous(kind resource.Kind) bool {
	i, ok := c.kinds[kind]
	return ok && c.types[i].Anonymous
}

// Compile makes a catalogue. Refused are words out of their grammar, a thing
// that is defined twice, a reference to what is not there, roles that include
// each other in a circle, a scope with a permission of no role, a role of one
// organization in everybody's or another's, and a role that holds what is the
// owner roles' own: INVALID_ARGUMENT with the problems, one a line.
func Compile(d Definitions) (*Catalogue, error) {
	c := &compiler{Definitions: d, Catalogue: &Catalogue{
		index: map[iam.RoleID]int{}, numbers: map[iam.Permission]int{},
		narrow: map[string]set{}, kinds: map[resource.Kind]int{},
	}}
	c.problems = d.wellFormed()
	for _, step := range []func(){c.sort, c.refer, c.fill, c.guard} {
		if step(); len(c.problems) > 0 {
			return nil, iam.Errorf(iam.InvalidArgument, "%s", strings.Join(c.problems, "\n"))
		}
	}
	return c.Catalogue, nil
}
