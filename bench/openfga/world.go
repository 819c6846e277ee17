package main

import (
	"fmt"
	"math/rand/v2"
)

// kind is what a resource is, as OpenFGA's model names the type.
type kind string

const (
	organization   kind = "organization"
	cloud          kind = "cloud"
	folder         kind = "folder"
	serviceAccount kind = "service_account"
)

type node struct {
	kind   kind
	id     string
	parent *node // nil above the organization
}

func (n *node) name() string { return string(n.kind) + ":" + n.id }

type group struct {
	id      string
	members []string // ids of users
}

// binding gives a primitive role on a resource to a user or a group.
type binding struct {
	on      *node
	role    string
	holder  string
	isGroup bool
}

// question asks whether a user may do a thing on a resource.
type question struct {
	user string
	act  act
	on   *node
}

func (q question) String() string { return fmt.Sprintf("%s, %s on %s", q.user, q.act, q.on.name()) }

// act is what is asked for: the role that is enough for it names it.
type act string

const (
	view       act = "viewer"
	edit       act = "editor"
	administer act = "admin"
)

// world is one set of facts and the questions about it. Nobody changes it.
type world struct {
	nodes     []*node // parents before children
	groups    []group
	bindings  []binding
	questions []question
}

// size says how big a world is.
type size struct {
	clouds, folders, accounts        int
	users, groups, members, bindings int // members of each group
	questions                        int
}

// town is the world of the table: 3,000 facts.
var town = size{clouds: 5, folders: 50, accounts: 500, users: 600, groups: 10, members: 100, bindings: 1445}

// facts counts what is known: who stands under whom, who is in which group,
// and who is given what. To OpenFGA each is a tuple.
func (w *world) facts() int {
	n := len(w.nodes) - 1 + len(w.bindings)
	for _, g := range w.groups {
		n += len(g.members)
	}
	return n
}

// newWorld makes the world of a seed: one seed and size, one world. Ids are 20
// characters, as Propusk makes them.
func newWorld(seed uint64, s size) *world {
	r := rand.New(rand.NewPCG(seed, 0))
	w := &world{}
	level := map[kind][]*node{}
	grow := func(k kind, n int, prefix string, parents []*node) {
		for i := range n {
			x := &node{kind: k, id: fmt.Sprintf("%s%017d", prefix, i)}
			if len(parents) > 0 {
				x.parent = parents[i%len(parents)]
			}
			level[k], w.nodes = append(level[k], x), append(w.nodes, x)
		}
	}
	grow(organization, 1, "bpf", nil)
	grow(cloud, s.clouds, "b1g", level[organization])
	grow(folder, s.folders, "b1f", level[cloud])
	grow(serviceAccount, s.accounts, "aje", level[folder])

	users := make([]string, s.users)
	for i := range users {
		users[i] = fmt.Sprintf("ajf%017d", i)
	}
	for i := range s.groups {
		g := group{id: fmt.Sprintf("ajg%017d", i)}
		for _, u := range r.Perm(len(users))[:s.members] {
			g.members = append(g.members, users[u])
		}
		w.groups = append(w.groups, g)
	}
	w.bind(r, s.bindings, level, users)
	w.ask(r, s.questions, level, users)
	return w
}

// bind gives out roles: few and weak ones at the top, most at the bottom, one
// in ten to a group.
func (w *world) bind(r *rand.Rand, n int, level map[kind][]*node, users []string) {
	kinds := []weighed[kind]{{organization, 1}, {cloud, 6}, {folder, 33}, {serviceAccount, 60}}
	roles := []weighed[string]{{"viewer", 60}, {"editor", 30}, {"admin", 10}}
	have := map[binding]bool{}
	for len(w.bindings) < n {
		b := binding{on: pick(r, level[choose(r, kinds)]), role: choose(r, roles), isGroup: r.IntN(10) == 0}
		if b.isGroup {
			b.holder = pick(r, w.groups).id
		} else {
			b.holder = pick(r, users)
		}
		if !have[b] {
			have[b] = true
			w.bindings = append(w.bindings, b)
		}
	}
}

// ask makes up questions, most about the bottom of the tree, half of them by
// somebody who was given something on the way up from there.
func (w *world) ask(r *rand.Rand, n int, level map[kind][]*node, users []string) {
	kinds := []weighed[kind]{{organization, 1}, {cloud, 4}, {folder, 15}, {serviceAccount, 80}}
	acts := []weighed[act]{{view, 50}, {edit, 30}, {administer, 20}}
	given := map[*node][]string{}
	for _, b := range w.bindings {
		if !b.isGroup {
			given[b.on] = append(given[b.on], b.holder)
		}
	}
	for range n {
		q := question{user: pick(r, users), act: choose(r, acts), on: pick(r, level[choose(r, kinds)])}
		if r.IntN(2) == 0 {
			var near []string
			for x := q.on; x != nil; x = x.parent {
				near = append(near, given[x]...)
			}
			if len(near) > 0 {
				q.user = pick(r, near)
			}
		}
		w.questions = append(w.questions, q)
	}
}

type weighed[T any] struct {
	what   T
	weight int // of 100
}

func choose[T any](r *rand.Rand, among []weighed[T]) T {
	n := r.IntN(100)
	for _, c := range among {
		if n -= c.weight; n < 0 {
			return c.what
		}
	}
	return among[len(among)-1].what
}

func pick[T any](r *rand.Rand, among []T) T { return among[r.IntN(len(among))] }
