package replica

import (
	"context"
	"errors"
	"sync/atomic"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// node is a place in the tree, with the access policies bound to it: a change
// of either is a change of the resource. Its way up is worked out when first
// asked for.
type node struct {
	self, parent resource.Ref
	policies     []string // ids of templates
	up           atomic.Pointer[path]
}

// path is a way up, and the entries it was read from: it holds for as long as
// they are all remembered.
type path struct {
	refs  []resource.Ref
	above []*entry // without the node itself
}

func (p *path) holds() bool {
	for _, e := range p.above {
		if e.gone.Load() {
			return false
		}
	}
	return true
}

// Parent returns a resource and what stands above it, the zero Ref above an
// organization; iam.NotFound when there is no such resource.
func (r *Replica) Parent(ctx context.Context, id string) (self, parent resource.Ref, err error) {
	n, err := remembered[*node](ctx, r, ofResource, id, loadNodes)
	if err != nil {
		return resource.Ref{}, resource.Ref{}, err
	}
	return n.self, n.parent, nil
}

// Ancestors returns a resource and all that stands above it, itself first, the
// organization last; iam.NotFound when there is no such resource.
func (r *Replica) Ancestors(ctx context.Context, id string) ([]resource.Ref, error) {
	refs, _, err := r.ancestors(ctx, id)
	return refs, err
}

func (r *Replica) ancestors(ctx context.Context, id string) ([]resource.Ref, iam.Position, error) {
	if e := r.known.find(ofResource, id); e != nil {
		if p := e.value.(*node).up.Load(); p != nil && p.holds() {
			return p.refs, 0, nil
		}
	}
	return r.climb(ctx, id)
}

// climb goes up from node to node and leaves the way at the first.
func (r *Replica) climb(ctx context.Context, id string) ([]resource.Ref, iam.Position, error) {
	p := &path{}
	var leaf *node
	var highest iam.Position
	whole := true // every ancestor is remembered, so that the way can be too
	for at := id; at != ""; {
		e := r.known.find(ofResource, at)
		if e == nil {
			v, seen, err := r.fetchOne(ctx, ofResource, at, loadNodes)
			if errors.Is(err, iam.NotFound) && at != id {
				err = iam.Errorf(iam.NotFound, "Resource %s not found", id) // it has just gone, from the top
			}
			if err != nil {
				return nil, 0, err
			}
			highest = max(highest, seen)
			if e = r.known.find(ofResource, at); e == nil {
				e, whole = &entry{value: v}, false
			}
		}
		n := e.value.(*node)
		if leaf == nil {
			leaf = n
		} else {
			p.above = append(p.above, e)
		}
		p.refs = append(p.refs, n.self)
		at = n.parent.ID
	}
	if whole {
		leaf.up.Store(p)
	}
	return p.refs, highest, nil
}

// loadNodes reads a node and, as they come along, all above it.
func loadNodes(tx *store.Tx, want []key) ([]loaded, error) {
	answers := make([]loaded, len(want))
	for i, k := range want {
		refs, err := store.Ancestors(tx, k.a)
		if err != nil && !errors.Is(err, iam.NotFound) {
			return nil, err
		}
		answers[i] = loaded{key: k, err: err}
		policies, err := policiesOn(tx, refs)
		if err != nil {
			return nil, err
		}
		for at, self := range refs {
			n := &node{self: self, policies: policies[self.ID]}
			if at+1 < len(refs) {
				n.parent = refs[at+1]
			}
			l := loaded{key: key{kind: ofResource, a: self.ID}, value: n, bytes: n.bytes()}
			if at == 0 {
				answers[i] = l
			} else {
				answers = append(answers, l)
			}
		}
	}
	return answers, nil
}

func policiesOn(tx *store.Tx, path []resource.Ref) (map[string][]string, error) {
	ids := make([]string, len(path))
	for i, ref := range path {
		ids[i] = ref.ID
	}
	return store.PoliciesOn(tx, ids)
}

func (n *node) bytes() int {
	b := nodeBytes + len(n.self.ID) + len(n.parent.ID)
	for _, p := range n.policies {
		b += 16 + len(p)
	}
	return b
}

// nodeBytes counts a node with its way up, four high.
const nodeBytes = int(unsafe.Sizeof(node{})+unsafe.Sizeof(path{})) + 4*int(unsafe.Sizeof(resource.Ref{})) + 4*8
