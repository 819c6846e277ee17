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
	n, err := remembered[*node](ctx, r, ofResource, id, loadStanding)
	if err != nil {
		return resource.Ref{}, resource.Ref{}, err
	}
	return n.self, n.parent, nil
}

// Ancestors returns a resource and all that stands above it, itself first, the
// organization last; iam.NotFound when there is no such resource.
func (r *Replica) Ancestors(ctx context.Context, id string) ([]resource.Ref, error) {
	refs, _, err := r.ancestors(ctx, id, "")
	return refs, err
}

// ancestors looks a subject up on the way, if it has to look anything up.
func (r *Replica) ancestors(ctx context.Context, id string, along iam.SubjectID) ([]resource.Ref, iam.Position, error) {
	if e := r.known.find(ofResource, id); e != nil {
		if p := e.value.(*node).up.Load(); p != nil && p.holds() {
			return p.refs, 0, nil
		}
	} else if e := r.absent.find(ofResource, id); e != nil {
		return nil, 0, e.value.(error)
	}
	return r.climb(ctx, id, string(along))
}

// climb goes up from node to node and leaves the way at the first.
func (r *Replica) climb(ctx context.Context, id, along string) ([]resource.Ref, iam.Position, error) {
	p := &path{}
	var leaf *node
	var highest iam.Position
	whole := true // every ancestor is remembered, so that the way can be too
	for at := id; at != ""; {
		e := r.known.find(ofResource, at)
		if e == nil {
			v, seen, err := r.fetchNode(ctx, at, along)
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

// fetchNode is fetchOne for a node, with what is not remembered of a subject
// along with it.
func (r *Replica) fetchNode(ctx context.Context, id, along string) (any, iam.Position, error) {
	if e := r.absent.find(ofResource, id); e != nil {
		return nil, 0, e.value.(error)
	}
	want := []key{{kind: ofResource, a: id}}
	for _, kind := range [...]kind{ofGroups, ofMember} {
		if along != "" && r.known.find(kind, along) == nil {
			want = append(want, key{kind: kind, a: along})
		}
	}
	got, at, err := r.fetch(ctx, want, loadStanding)
	if err != nil {
		return nil, 0, err
	}
	return got[0].value, at, got[0].err
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
