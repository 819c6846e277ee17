package access

import (
	"cmp"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// compiler is a catalogue in the making.
type compiler struct {
	Definitions
	*Catalogue
	includes [][]iam.RoleID // by index: spoken and unspoken
	problems []string
}

func (c *compiler) bad(kind, id, format string, args ...any) {
	c.problems = append(c.problems, c.problem(kind, id, format, args...))
}

// sort orders everything by id and numbers it.
func (c *compiler) sort() {
	c.roles = slices.SortedStableFunc(slices.Values(c.Definitions.Roles), func(a, b iam.Role) int { return cmp.Compare(a.ID, b.ID) })
	for i, r := range c.roles {
		if _, again := c.index[r.ID]; again {
			c.bad("role", string(r.ID), "defined twice")
		}
		c.index[r.ID] = i
		for _, p := range r.Permissions {
			if _, ok := c.numbers[p]; !ok {
				c.numbers[p] = len(c.numbers)
			}
		}
	}
	c.scopes = slices.SortedStableFunc(slices.Values(c.Definitions.Scopes), func(a, b Scope) int { return cmp.Compare(a.ID, b.ID) })
	for i, s := range c.scopes {
		if i > 0 && c.scopes[i-1].ID == s.ID {
			c.bad("scope", s.ID, "defined twice")
		}
	}
	c.types = slices.SortedStableFunc(slices.Values(c.Definitions.ResourceTypes), func(a, b ResourceType) int {
		return cmp.Compare(a.Type, b.Type)
	})
	for i, t := range c.types {
		if _, again := c.kinds[t.Type]; again {
			c.bad("resource type", string(t.Type), "defined twice")
		}
		c.kinds[t.Type] = i
	}
}

// refer looks whether everything that is referred to is there and may be
// referred to.
func (c *compiler) refer() {
	c.includes = make([][]iam.RoleID, len(c.roles))
	for i, r := range c.roles {
		c.includes[i] = append(c.includes[i], r.Includes...)
		for _, in := range r.Includes {
			j, ok := c.index[in]
			switch {
			case !ok:
				c.bad("role", string(r.ID), "includes %s, which does not exist", in)
			case c.roles[j].Organization != "" && c.roles[j].Organization != r.Organization:
				c.bad("role", string(r.ID), "includes %s, which belongs to one organization alone", in)
			}
		}
	}
	for _, r := range c.roles {
		_, name, _ := strings.Cut(string(r.ID), ".")
		// An organization's own role counts there alone, so it cannot be part of
		// a role that counts everywhere.
		if p, ok := c.index[iam.RoleID(name)]; ok && r.Organization == "" && slices.Contains(primitives, iam.RoleID(name)) {
			c.includes[p] = append(c.includes[p], r.ID)
		}
	}
	for _, t := range c.types {
		for _, p := range t.Parents {
			if _, ok := c.kinds[p]; !ok {
				c.bad("resource type", string(t.Type), "stands below %s, which does not exist", p)
			}
			if p == t.Type {
				c.bad("resource type", string(t.Type), "stands below itself")
			}
		}
	}
}

// fill makes every role's set, the included roles first.
func (c *compiler) fill() {
	c.held = make([]set, len(c.roles))
	for i := range c.roles {
		if !c.fillOne(i, nil) {
			return
		}
	}
	c.fillScopes()
}

// fillOne makes one role's set; through are the roles that led here, and
// meeting one of them again is a circle.
func (c *compiler) fillOne(i int, through []iam.RoleID) bool {
	if c.held[i] != nil {
		return true
	}
	id := c.roles[i].ID
	through = append(through[:len(through):len(through)], id)
	if first := slices.Index(through, id); first < len(through)-1 {
		c.bad("role", string(id), "includes itself: %s", circle(through[first:]))
		return false
	}
	s := c.newSet()
	for _, p := range c.roles[i].Permissions {
		s.add(c.numbers[p])
	}
	if id == everything {
		for _, r := range c.roles {
			if givesToAdmin(r) {
				for _, p := range r.Permissions {
					s.add(c.numbers[p])
				}
			}
		}
	}
	for _, in := range c.includes[i] {
		j := c.index[in]
		if !c.fillOne(j, through) {
			return false
		}
		s.addAll(c.held[j])
	}
	c.held[i] = s
	return true
}

func circle(ids []iam.RoleID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, " > ")
}

func (c *compiler) newSet() set { return make(set, (len(c.numbers)+63)/64) }

// fillScopes makes every scope's set. A permission that no role holds is a
// mistake of spelling: nobody could ever use it.
func (c *compiler) fillScopes() {
	for _, scope := range c.scopes {
		s := c.newSet()
		for _, p := range scope.Permissions {
			if n, ok := c.numbers[p]; ok {
				s.add(n)
			} else {
				c.bad("scope", scope.ID, "permission %s is in no role", p)
			}
		}
		c.narrow[scope.ID] = s
	}
}

// guard refuses roles that hold what is the owner roles' own, and roles of one
// organization with permissions that admin has not: nobody there could hand
// them out.
func (c *compiler) guard() {
	c.guardOwners()
	admin, ok := c.index[everything]
	if !ok {
		return
	}
	for i, r := range c.roles {
		for _, p := range r.Permissions {
			if r.Organization != "" && c.held[i].has(c.numbers[p]) && !c.held[admin].has(c.numbers[p]) && !c.ownersOwn(p) {
				c.bad("role", string(r.ID), "permission %s is in no role of everybody's: an organization's own roles are made of those", p)
			}
		}
	}
}

func (c *compiler) ownersOwn(p iam.Permission) bool {
	return slices.ContainsFunc(owners, func(owner iam.RoleID) bool {
		o, ok := c.index[owner]
		return ok && slices.Contains(c.roles[o].Permissions, p)
	})
}

func (c *compiler) guardOwners() {
	for _, owner := range owners {
		o, ok := c.index[owner]
		if !ok {
			continue
		}
		for _, p := range c.roles[o].Permissions {
			for i, r := range c.roles {
				if c.held[i].has(c.numbers[p]) && !slices.Contains(owners, r.ID) {
					c.bad("role", string(r.ID), "holds %s, which is for %s alone", p, owner)
				}
			}
		}
	}
}
