package replica

import (
	"context"
	"errors"
	"sync"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// View is the world at one position, inside Consistent. It is used by one
// goroutine and not after its function has returned.
type View struct {
	r     *Replica
	ctx   context.Context
	tx    *store.Tx // set when it reads a snapshot of the store instead of what is remembered
	at    iam.Position
	epoch uint64
	ahead bool // something was read of a later position
	along iam.SubjectID
	keys  []store.Change
	up    []resource.Ref // what Ancestors returned last

	hashes  []uint64 // scratch, as are these
	found   []found
	missing []pair
}

var views = sync.Pool{New: func() any { return new(View) }}

// How often Consistent tries with what is remembered before it takes a
// snapshot of the store, which costs queries and cannot fail to be consistent.
const tries = 4

// Consistent runs fn on a View whose answers all hold at one position, and
// returns that position with the keys that were read, for store.WithGuard. fn
// may run several times and must have no effects but its result. Not among the
// keys are bindings that were looked for and are not there: what appears in
// their place only adds to what somebody may.
func (r *Replica) Consistent(ctx context.Context, fn func(*View) error) (iam.Position, []store.Change, error) {
	return r.ConsistentInto(ctx, nil, fn)
}

// ConsistentInto is Consistent that puts the keys into the space of a given
// slice. With room there, and an fn that is kept between calls, it allocates
// nothing as long as what is read is remembered.
func (r *Replica) ConsistentInto(ctx context.Context, keys []store.Change, fn func(*View) error) (iam.Position, []store.Change, error) {
	v := views.Get().(*View)
	defer func() {
		clear(v.found)
		*v = View{hashes: v.hashes[:0], found: v.found[:0], missing: v.missing[:0]}
		views.Put(v)
	}()
	v.r, v.ctx = r, ctx
	for range tries {
		// show() stores the position first and the epoch second. So an epoch that
		// is the same before and after means that no position was shown between,
		// and that the one read here is the one whose values were read: what is
		// dropped early is fetched from a snapshot ahead of the position, and
		// that shows as ahead or waits for the epoch to move.
		v.epoch = r.epoch.Load()
		v.at, v.ahead, v.keys = r.Position(), false, keys[:0]
		err := fn(v)
		if r.epoch.Load() == v.epoch && !v.ahead {
			return v.at, v.keys, err
		}
		if ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
	}
	return r.snapshot(v, keys, fn)
}

func (r *Replica) snapshot(v *View, keys []store.Change, fn func(*View) error) (iam.Position, []store.Change, error) {
	err := r.cfg.DB.View(v.ctx, func(tx *store.Tx) error {
		defer func() { v.tx = nil }()
		v.tx, v.keys = tx, keys[:0]
		var err error
		if v.at, err = tx.Head(); err != nil {
			return err
		}
		return fn(v)
	})
	return v.at, v.keys, err
}

// About says whose groups and memberships will be asked for, so that they are
// looked up with the next Ancestors that has to look anything up.
func (v *View) About(subject iam.SubjectID) { v.along = subject }

// Position is where all answers hold.
func (v *View) Position() iam.Position { return v.at }

func (v *View) read(kind store.ChangeKind, key string) {
	v.keys = append(v.keys, store.Change{Kind: kind, Key: key})
}

// get is remembered, at the view's position.
func get[V any](v *View, kind kind, id string, load loader) (V, error) {
	var none V
	if v.tx != nil {
		got, _, err := load(v.tx, []key{{kind: kind, a: id}})
		if err == nil {
			err = got[0].err
		}
		if err != nil {
			return none, err
		}
		return got[0].value.(V), nil
	}
	if e := v.r.known.find(kind, id); e != nil {
		return e.value.(V), nil
	}
	value, at, err := v.r.fetchOne(v.ctx, kind, id, load)
	v.ahead = v.ahead || at > v.at
	if err != nil {
		return none, err
	}
	return value.(V), nil
}

// Ancestors is Replica.Ancestors at the view's position.
func (v *View) Ancestors(id string) ([]resource.Ref, error) {
	v.read(store.ChangeResource, id)
	var refs []resource.Ref
	var err error
	if v.tx != nil {
		refs, err = store.Ancestors(v.tx, id)
	} else {
		var at iam.Position
		refs, at, err = v.r.ancestors(v.ctx, id, v.along)
		v.ahead = v.ahead || at > v.at
	}
	if err != nil {
		return nil, err
	}
	v.up = refs
	for _, ref := range refs[1:] {
		v.read(store.ChangeResource, ref.ID)
	}
	return refs, nil
}

// Policies calls visit for every resource of path that has access policies
// bound, in the order of path, with its index and the ids of their templates,
// until visit returns false. What is not in the tree has none. The path comes
// from Ancestors of this view, so that what is read is among its keys.
func (v *View) Policies(path []resource.Ref, visit func(at int, templates []string) bool) error {
	if v.tx != nil {
		bound, err := policiesOn(v.tx, path)
		for at := 0; err == nil && at < len(path); at++ {
			if ids := bound[path[at].ID]; len(ids) > 0 && !visit(at, ids) {
				break
			}
		}
		return err
	}
	for at := range path {
		n, err := get[*node](v, ofResource, path[at].ID, loadStanding)
		if errors.Is(err, iam.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if len(n.policies) > 0 && !visit(at, n.policies) {
			return nil
		}
	}
	return nil
}

// Groups is Replica.Groups at the view's position.
func (v *View) Groups(subject iam.SubjectID) ([]iam.SubjectID, error) {
	v.read(store.ChangeGroups, string(subject))
	l, err := get[*groupList](v, ofGroups, string(subject), loadStanding)
	if err != nil {
		return nil, err
	}
	return l.ids, nil
}

// Organizations is Replica.Organizations at the view's position.
func (v *View) Organizations(subject iam.SubjectID) ([]string, error) {
	m, err := v.member(subject)
	if err != nil {
		return nil, err
	}
	return m.organizations, nil
}

// OrganizationGroups returns the system groups, iam.OrganizationUsers, of the
// organizations that a subject belongs to.
func (v *View) OrganizationGroups(subject iam.SubjectID) ([]iam.SubjectID, error) {
	m, err := v.member(subject)
	if err != nil {
		return nil, err
	}
	return m.groups, nil
}

func (v *View) member(subject iam.SubjectID) (*membership, error) {
	v.read(store.ChangeMember, string(subject))
	return get[*membership](v, ofMember, string(subject), loadStanding)
}
