package organization

import (
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// condition is one comparison of a filter; all of a filter must hold.
type condition struct {
	field    string // "id" or "name"
	contains bool
	values   []string // any of them; one for "contains"
}

// groupFilter is a filter over groups; empty lets everything through.
type groupFilter []condition

func (f groupFilter) match(g *iam.Group) bool {
	for _, c := range f {
		value := g.Name
		if c.field == "id" {
			value = g.ID
		}
		if c.contains && !strings.Contains(value, c.values[0]) || !c.contains && !slices.Contains(c.values, value) {
			return false
		}
	}
	return true
}

// parseGroupFilter reads conditions on id and name, joined by AND: = and
// contains take a value in single or double quotes, IN takes several in
// brackets [API fact: ListEffectiveRequest.filter].
func parseGroupFilter(text string) (groupFilter, error) {
	var out groupFilter
	s := scanner(text)
	if s.skip(); s == "" {
		return nil, nil
	}
	for {
		c, ok := s.condition()
		if !ok {
			return nil, badGroupFilter()
		}
		out = append(out, c)
		if s.skip(); s == "" {
			return out, nil
		}
		if !strings.EqualFold(s.word(), "and") {
			return nil, badGroupFilter()
		}
	}
}

// externalFilter reads the narrower filter of ListExternal: one = on id or name.
func externalFilter(text string) (name, id string, err error) {
	f, err := parseGroupFilter(text)
	if err != nil || len(f) == 0 {
		return "", "", err
	}
	if len(f) > 1 || f[0].contains || len(f[0].values) != 1 {
		return "", "", iam.InvalidField("filter", `expected name="<value>" or id="<value>"`)
	}
	if f[0].field == "id" {
		return "", f[0].values[0], nil
	}
	return f[0].values[0], "", nil
}

func badGroupFilter() error {
	return iam.InvalidField("filter", `expected conditions on id or name joined by AND: name = "value", id IN ("value", "value"), name contains "value"`)
}

// scanner is what is left of a filter.
type scanner string

func (s *scanner) skip() { *s = scanner(strings.TrimLeft(string(*s), " \t")) }

// word takes a run of letters.
func (s *scanner) word() string {
	s.skip()
	n := 0
	for n < len(*s) && ((*s)[n]|0x20 >= 'a' && (*s)[n]|0x20 <= 'z') {
		n++
	}
	w := string((*s)[:n])
	*s = (*s)[n:]
	return w
}

// mark takes one character when it comes next.
func (s *scanner) mark(c byte) bool {
	s.skip()
	if *s == "" || (*s)[0] != c {
		return false
	}
	*s = (*s)[1:]
	return true
}

// value takes a text in quotes. There is no way to write the quote itself, nor
// a backslash: no id and no name has them.
func (s *scanner) value() (string, bool) {
	s.skip()
	if *s == "" || (*s)[0] != '"' && (*s)[0] != '\'' {
		return "", false
	}
	inside, rest, ok := strings.Cut(string((*s)[1:]), string((*s)[:1]))
	if !ok || inside == "" || strings.Contains(inside, `\`) {
		return "", false
	}
	*s = scanner(rest)
	return inside, true
}

func (s *scanner) condition() (condition, bool) {
	c := condition{field: s.word()}
	if c.field != "id" && c.field != "name" {
		return c, false
	}
	if s.mark('=') {
		return c, s.values(&c)
	}
	switch op := s.word(); {
	case strings.EqualFold(op, "contains"):
		c.contains = true
		return c, s.values(&c)
	case strings.EqualFold(op, "in") && s.mark('('):
		for {
			if !s.values(&c) {
				return c, false
			}
			if s.mark(')') {
				return c, true
			}
			if !s.mark(',') {
				return c, false
			}
		}
	}
	return c, false
}

func (s *scanner) values(c *condition) bool {
	v, ok := s.value()
	c.values = append(c.values, v)
	return ok
}
