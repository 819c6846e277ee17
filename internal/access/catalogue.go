package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Primitive roles hold the role of the same name of every service.
var primitives = []iam.RoleID{"auditor", "viewer", "editor", "admin"}

// Catalogue is every role this server knows, each compiled to the set of all
// permissions it holds. It never changes after NewCatalogue and is safe for
// concurrent use.
type Catalogue struct {
	roles   []iam.Role // sorted by id
	index   map[iam.RoleID]int
	held    []set // by index: its own and, through includes, others' permissions
	numbers map[iam.Permission]int
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

// Builtin is the catalogue of the roles in roles.yaml.
func Builtin() (*Catalogue, error) {
	roles, err := ParseRoles(builtin)
	if err != nil {
		return nil, err
	}
	return NewCatalogue(roles)
}

// NewCatalogue compiles roles. Two roles with one id, an include of a role
// that is not there and roles that include each other in a circle are refused,
// all problems in one error.
func NewCatalogue(roles []iam.Role) (*Catalogue, error) {
	c := &Catalogue{index: make(map[iam.RoleID]int, len(roles)), numbers: map[iam.Permission]int{}}
	c.roles = slices.Clone(roles)
	slices.SortStableFunc(c.roles, func(a, b iam.Role) int { return strings.Compare(string(a.ID), string(b.ID)) })
	var errs []error
	for i, r := range c.roles {
		if err := checkRole(r); err != nil {
			errs = append(errs, err)
		}
		if _, twice := c.index[r.ID]; twice {
			errs = append(errs, fmt.Errorf("role %s: defined twice", r.ID))
		}
		c.index[r.ID] = i
		for _, p := range r.Permissions {
			if _, ok := c.numbers[p]; !ok {
				c.numbers[p] = len(c.numbers)
			}
		}
	}
	includes := c.includes()
	for i, r := range c.roles {
		for _, in := range includes[i] {
			if _, ok := c.index[in]; !ok {
				errs = append(errs, fmt.Errorf("role %s: includes %s, which does not exist", r.ID, in))
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, c.compile(includes)
}

// includes lists, for every role, what it includes, spoken and unspoken.
func (c *Catalogue) includes() [][]iam.RoleID {
	all := make([][]iam.RoleID, len(c.roles))
	for i, r := range c.roles {
		all[i] = append(all[i], r.Includes...)
		_, name, _ := strings.Cut(string(r.ID), ".")
		if p, ok := c.index[iam.RoleID(name)]; ok && slices.Contains(primitives, iam.RoleID(name)) {
			all[p] = append(all[p], r.ID)
		}
	}
	return all
}

// compile fills every role's set, the included roles first.
func (c *Catalogue) compile(includes [][]iam.RoleID) error {
	words := (len(c.numbers) + 63) / 64
	c.held = make([]set, len(c.roles))
	open := make([]bool, len(c.roles)) // being filled: meeting it again is a circle
	var fill func(i int) error
	fill = func(i int) error {
		if c.held[i] != nil {
			return nil
		}
		if open[i] {
			return fmt.Errorf("role %s: includes itself", c.roles[i].ID)
		}
		open[i] = true
		s := make(set, words)
		for _, p := range c.roles[i].Permissions {
			s.add(c.numbers[p])
		}
		for _, in := range includes[i] {
			j := c.index[in]
			if err := fill(j); err != nil {
				return fmt.Errorf("%w, through %s", err, c.roles[i].ID)
			}
			s.addAll(c.held[j])
		}
		c.held[i] = s
		return nil
	}
	for i := range c.roles {
		if err := fill(i); err != nil {
			return err
		}
	}
	return nil
}

// Roles lists all roles, sorted by id. The slice and what it points to must
// not be changed.
func (c *Catalogue) Roles() []iam.Role { return c.roles }

// Role returns one role; iam.NotFound when there is none with that id.
func (c *Catalogue) Role(id iam.RoleID) (iam.Role, error) {
	i, ok := c.index[id]
	if !ok {
		return iam.Role{}, iam.Errorf(iam.NotFound, "Role %s not found", id)
	}
	return c.roles[i], nil
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
	for w, bits := range c.held[j] {
		if bits&^union[w] != 0 {
			return false
		}
	}
	return true
}
