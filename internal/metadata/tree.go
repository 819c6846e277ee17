package metadata

import (
	"maps"
	"slices"
	"strings"
)

// node is a key of the tree: a directory, a value, or something that is made
// when it is asked for and so is listed but never part of a whole.
type node struct {
	name    string
	under   []*node        // of a directory, sorted by name
	isDir   bool           //
	listed  bool           // a directory whose keys are numbers: a list in JSON
	literal bool           // a directory whose keys are the owner's: the same in JSON
	value   any            // of a value: string, []string, or what JSON takes
	made    func() *answer // the answer itself
}

// dir is a directory of what there is: nil and empty values are left out.
func dir(name string, under ...*node) *node {
	n := &node{name: name, isDir: true}
	for _, u := range under {
		if u != nil {
			n.under = append(n.under, u)
		}
	}
	slices.SortFunc(n.under, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return n
}

// some is a directory, or nothing when nothing is in it.
func some(name string, under ...*node) *node {
	if n := dir(name, under...); len(n.under) > 0 {
		return n
	}
	return nil
}

func value(name, v string) *node {
	if v == "" {
		return nil
	}
	return &node{name: name, value: v}
}

// keys is a directory whose keys somebody chose.
func keys(name string, of map[string]string) *node {
	n := dir(name)
	for _, k := range slices.Sorted(maps.Keys(of)) {
		n.under = append(n.under, &node{name: k, value: of[k]})
	}
	n.literal = true
	return n
}

func (n *node) child(name string) *node {
	for _, u := range n.under {
		if u.name == name {
			return u
		}
	}
	return nil
}

// find walks down; slash is whether the path ended with one.
func (n *node) find(path string) (found *node, slash bool) {
	path, slash = strings.CutSuffix(path, "/")
	if path == "" {
		return n, slash
	}
	for name := range strings.SplitSeq(path, "/") {
		if !n.isDir {
			return nil, slash
		}
		if n = n.child(name); n == nil {
			return nil, slash
		}
	}
	return n, slash
}

// names lists a directory, directories in it with a slash.
func (n *node) names() []string {
	all := make([]string, 0, len(n.under))
	for _, u := range n.under {
		if u.isDir {
			all = append(all, u.name+"/")
		} else {
			all = append(all, u.name)
		}
	}
	return all
}

// whole is the value of JSON for everything below.
func (n *node) whole() any {
	if !n.isDir {
		return n.value
	}
	if n.listed {
		all := []any{}
		for _, u := range n.under {
			all = append(all, u.whole())
		}
		return all
	}
	all := map[string]any{}
	for _, u := range n.under {
		switch {
		case u.made != nil:
		case n.literal:
			all[u.name] = u.whole()
		default:
			all[camel(u.name)] = u.whole()
		}
	}
	return all
}

// lines writes everything below as "path value".
func (n *node) lines(b *strings.Builder, path string) {
	for _, u := range n.under {
		switch {
		case u.made != nil:
		case u.isDir:
			u.lines(b, path+u.name+"/")
		default:
			b.WriteString(path + u.name + " " + valueText(u.value) + "\n")
		}
	}
}

// camel spells a key as Google's JSON does: service-accounts is serviceAccounts.
func camel(key string) string {
	parts := strings.Split(key, "-")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}
