package rest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// More fields than any path of the API has.
const maxFields = 8

// route is one way into one method.
type route struct {
	method  string // "/package.Service/Method"
	http    string // "GET"
	path    string // as the descriptor spells it, for messages about ambiguity
	body    bool   // the request message comes in the body
	input   protoreflect.MessageDescriptor
	fields  [][]protoreflect.FieldDescriptor // one per variable segment, in order
	inPath  map[string]bool                  // dotted names of fields
	ignores bool                             // of GET: a body means nothing
	answer  protoreflect.FieldDescriptor     // of the response, when it alone is the answer
}

// router finds the route of a path by walking its segments once; there is at
// most one answer, because add and check refuse what would leave a choice.
type router struct{ root node }

type node struct {
	literals map[string]*node
	variable *node
	plain    *leaf            // routes that end here
	verbs    map[string]*leaf // routes that end here with ":verb"
}

// leaf is one resource or action, with its routes by HTTP method.
type leaf struct {
	verb   bool // the path ends in ":verb"
	routes []*route
	allow  string // the value of the Allow header
}

func (l *leaf) find(method string) *route {
	for _, r := range l.routes {
		if r.http == method {
			return r
		}
	}
	return nil
}

func (rt *router) add(t template, r *route) error {
	n := &rt.root
	for _, p := range t.pieces {
		if p.field != "" {
			if n.variable == nil {
				n.variable = &node{}
			}
			n = n.variable
		} else {
			if n.literals == nil {
				n.literals = map[string]*node{}
			}
			if n.literals[p.literal] == nil {
				n.literals[p.literal] = &node{}
			}
			n = n.literals[p.literal]
		}
	}
	l := n.plain
	if t.verb != "" {
		l = n.verbs[t.verb]
	}
	if l == nil {
		l = &leaf{verb: t.verb != ""}
	}
	if other := l.find(r.http); other != nil {
		return fmt.Errorf("%s %s of %s is also %s of %s", r.http, r.path, r.method, other.path, other.method)
	}
	l.routes = append(l.routes, r)
	sort.Slice(l.routes, func(i, j int) bool { return l.routes[i].http < l.routes[j].http })
	allowed := make([]string, len(l.routes))
	for i, r := range l.routes {
		allowed[i] = r.http
	}
	l.allow = strings.Join(allowed, ", ")
	if t.verb == "" {
		n.plain = l
		return nil
	}
	if n.verbs == nil {
		n.verbs = map[string]*leaf{}
	}
	n.verbs[t.verb] = l
	return nil
}

// check refuses a segment that may be a word or a value, as which of the two
// is meant would depend on the order of looking. One case is decided instead,
// because the API has it: where both end the path and have no verbs, the word
// wins ("/quotaLimits/services" beside "/quotaLimits/{quota_id}").
func (rt *router) check() error { return rt.root.check("") }

func (n *node) check(at string) error {
	for _, word := range slices.Sorted(maps.Keys(n.literals)) {
		below := n.literals[word]
		if n.variable != nil && !(below.ends() && n.variable.ends()) {
			return fmt.Errorf("below %q a segment may be a value or %q", at+"/", word)
		}
		if err := below.check(at + "/" + word); err != nil {
			return err
		}
	}
	if n.variable != nil {
		return n.variable.check(at + "/{}")
	}
	return nil
}

func (n *node) ends() bool { return len(n.literals) == 0 && n.variable == nil && len(n.verbs) == 0 }

// values are the variable segments of a path, decoded.
type values struct {
	list [maxFields]string
	n    int
}

// match finds what a path names; nil when it names nothing, with a text when a
// value in it cannot be meant. Encoded tells that the segments are still
// percent-encoded.
func (rt *router) match(path string, encoded bool, out *values) (l *leaf, problem string) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, ""
	}
	n := &rt.root
	for {
		segment, after, more := strings.Cut(rest, "/")
		if !more {
			return n.last(segment, encoded, out)
		}
		if n, problem = n.step(segment, encoded, out); n == nil {
			return nil, problem
		}
		rest = after
	}
}

// step goes one segment down.
func (n *node) step(segment string, encoded bool, out *values) (*node, string) {
	if next := n.literals[segment]; next != nil {
		return next, ""
	}
	if n.variable == nil || segment == "" {
		return nil, ""
	}
	v, problem := decodeSegment(segment, encoded)
	if problem != "" || v == "." || v == ".." {
		return nil, problem
	}
	out.list[out.n] = v
	out.n++
	return n.variable, ""
}

// last ends the path: the text behind the last colon is a verb where one of
// that name exists, and belongs to the value otherwise.
func (n *node) last(segment string, encoded bool, out *values) (*leaf, string) {
	if at := strings.LastIndexByte(segment, ':'); at > 0 {
		target := n.literals[segment[:at]]
		if target == nil {
			target = n.variable
		}
		if target != nil {
			if l := target.verbs[segment[at+1:]]; l != nil {
				if next, problem := n.step(segment[:at], encoded, out); next != target {
					return nil, problem
				}
				return l, ""
			}
		}
	}
	end, problem := n.step(segment, encoded, out)
	if end == nil {
		return nil, problem
	}
	return end.plain, ""
}

func decodeSegment(s string, encoded bool) (value, problem string) {
	if encoded {
		v, err := url.PathUnescape(s)
		if err != nil {
			return "", "The path is not percent-encoded properly"
		}
		s = v
	}
	switch {
	case strings.IndexByte(s, '/') >= 0:
		// Proxies differ in whether %2F separates; so it may not matter here.
		return "", "The path holds an encoded slash inside a value"
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return "", "The path is not valid UTF-8 without NUL"
	}
	return s, ""
}
