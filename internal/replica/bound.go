package replica

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"unique"
	"unsafe"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// Bound calls visit for every pair of a resource of path and a subject of
// holders that has roles bound, with their indexes, until visit returns false:
// first those it remembers, then, after one snapshot for all of them, those it
// does not. It may visit a pair twice. The path stays the caller's.
func (v *View) Bound(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error {
	if len(path) == 0 || len(holders) == 0 {
		return nil
	}
	if v.tx != nil {
		return v.boundInSnapshot(path, holders, visit)
	}
	old := v.r.answers.findRoles(v.r.known.hashText(path[0].ID), v.r.known.hashText(string(holders[0])), path[0].ID, string(holders[0]))
	if old != nil {
		a := old.value.(*answer)
		if a.isFor(path, holders) && a.holds(&v.r.moved) && (!v.tell(a.found, visit) || !a.part) {
			return nil
		}
	}
	v.lookAround(path, holders)
	enough := !v.tell(v.found, visit)
	if enough || len(v.missing) == 0 {
		v.answer(old, path, holders)
		return nil
	}
	return v.boundInStore(path, holders, visit)
}

// found is a pair with roles: its place in path and in holders.
type found struct {
	at, holder int
	roles      []iam.RoleID
	text       string // the key of its change in the feed
}

// pair is a place in path and one in holders.
type pair struct{ at, holder int }

// lookAround puts what is remembered into v.found, and what is not into v.missing.
func (v *View) lookAround(path []resource.Ref, holders []iam.SubjectID) {
	m := v.r.known
	v.hashes, v.found, v.missing = v.hashes[:0], v.found[:0], v.missing[:0]
	for _, h := range holders {
		v.hashes = append(v.hashes, m.hashText(string(h)))
	}
	for i := range path {
		id := path[i].ID
		hash := m.hashText(id)
		// What is not in the tree has nothing bound, and a path may begin below it.
		if m.findHashed(hash, ofBare, id) != nil || v.r.absent.findHashed(hash, ofResource, id) != nil {
			continue
		}
		for j, h := range holders {
			e := m.findRoles(hash, v.hashes[j], id, string(h))
			if e == nil {
				v.missing = append(v.missing, pair{i, j})
			} else if roles := e.value.(*roleList); roles != nil {
				v.found = append(v.found, found{i, j, roles.ids, e.text})
			}
		}
	}
}

// tell visits pairs; false when visit has had enough.
func (v *View) tell(pairs []found, visit func(at, holder int, roles []iam.RoleID) bool) bool {
	for i := range pairs {
		f := &pairs[i]
		v.read(store.ChangeBinding, f.text)
		if !visit(f.at, f.holder, f.roles) {
			return false
		}
	}
	return true
}

// answer is what a look around found. It holds until something bound on
// its path changes; other changes do not touch it.
type answer struct {
	epoch   atomic.Uint64 // in which it was found, or found again
	path    []resource.Ref
	holders []iam.SubjectID
	found   []found
	part    bool     // it was enough for who asked, and there may be more
	slots   []uint16 // of path, in moved
}

// isFor tells whether it answers this question. A path of the tree's is never
// written to, so the same place is the same path.
func (a *answer) isFor(path []resource.Ref, holders []iam.SubjectID) bool {
	samePath := len(a.path) == len(path) && (&a.path[0] == &path[0] || slices.Equal(a.path, path))
	return samePath && slices.Equal(a.holders, holders)
}

func (a *answer) holds(m *moved) bool {
	epoch := a.epoch.Load()
	for _, slot := range a.slots {
		if m[slot].Load() > epoch {
			return false
		}
	}
	return true
}

// moved holds, by hash of a resource's id, the epoch that a change of what is
// bound there begins. Ids that share a slot cost each other a look around.
type moved [4096]atomic.Uint64

func slotOf(idHash uint64) uint16 { return uint16(idHash % uint64(len(moved{}))) }

// answer remembers v.found. All of it was remembered itself. Had any of it
// been dropped since v.epoch began, its slot in moved would be ahead of that
// epoch already, and the answer would never be looked at.
func (v *View) answer(old *entry, path []resource.Ref, holders []iam.SubjectID) {
	if old != nil {
		a := old.value.(*answer)
		same := func(x, y found) bool { return x.at == y.at && x.holder == y.holder && &x.roles[0] == &y.roles[0] }
		if a.isFor(path, holders) && a.part == (len(v.missing) > 0) && slices.EqualFunc(a.found, v.found, same) {
			a.epoch.Store(v.epoch)
			return
		}
	}
	if len(v.up) == 0 || &path[0] != &v.up[0] {
		path = slices.Clone(path) // it is the caller's, who may write something else there
	}
	a := &answer{path: path, holders: slices.Clone(holders), found: slices.Clone(v.found), part: len(v.missing) > 0, slots: make([]uint16, len(path))}
	a.holders[0] = iam.SubjectID(strings.Clone(string(holders[0])))
	for i := range path {
		a.slots[i] = slotOf(v.r.known.hashText(path[i].ID))
	}
	a.epoch.Store(v.epoch)
	k := key{kind: ofRoles, a: path[0].ID, b: string(holders[0])}
	bytes := int(unsafe.Sizeof(*a)) + 16*len(holders) + int(unsafe.Sizeof(found{}))*len(a.found) + 2*len(path)
	hash := v.r.answers.hash(k)
	s := v.r.answers.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(hash, k, a, bytes)
}

func (v *View) boundInStore(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error {
	want := make([]key, len(v.missing))
	for n, p := range v.missing {
		want[n] = key{kind: ofRoles, a: path[p.at].ID, b: string(holders[p.holder])}
	}
	got, at, err := v.r.fetch(v.ctx, want, loadRoles)
	v.ahead = v.ahead || at > v.at
	if err != nil {
		return err
	}
	v.tell(bound(got, func(n int) pair { return v.missing[n] }), visit)
	return nil
}

func (v *View) boundInSnapshot(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error {
	var want []key
	for _, ref := range path {
		for _, h := range holders {
			want = append(want, key{kind: ofRoles, a: ref.ID, b: string(h)})
		}
	}
	got, _, err := loadRoles(v.tx, want)
	if err != nil {
		return err
	}
	v.tell(bound(got[:len(want)], func(n int) pair { return pair{n / len(holders), n % len(holders)} }), visit)
	return nil
}

// bound picks the answers that have roles.
func bound(got []loaded, place func(n int) pair) []found {
	var all []found
	for n, l := range got {
		if roles := l.value.(*roleList); roles != nil {
			p := place(n)
			all = append(all, found{p.at, p.holder, roles.ids, l.key.text()})
		}
	}
	return all
}

// maxSubjects bounds how many subjects one query names: engines take some ten
// thousand arguments.
const maxSubjects = 4096

// loadRoles reads what is bound to subjects on resources, with one query. A
// resource with no binding at all, which most are, becomes one entry and not
// one for each asker.
func loadRoles(tx *store.Tx, want []key) (answers []loaded, head iam.Position, err error) {
	var resources []string
	var subjects []iam.SubjectID
	seen := map[string]bool{}
	for _, k := range want {
		if !seen[k.a] {
			seen[k.a] = true
			resources = append(resources, k.a)
		}
		if !seen["/"+k.b] { // no id begins with a slash
			seen["/"+k.b] = true
			subjects = append(subjects, iam.SubjectID(k.b))
		}
	}
	all := map[store.Pair][]iam.RoleID{}
	some := map[string]bool{}
	for few := range slices.Chunk(subjects, maxSubjects) {
		b, err := store.BoundRoles(tx, resources, few)
		if err != nil {
			return nil, 0, err
		}
		head, some = b.Head, b.Some
		maps.Copy(all, b.Roles)
	}
	answers = make([]loaded, len(want), len(want)+len(resources))
	for i, k := range want {
		answers[i] = loaded{key: k, value: (*roleList)(nil), brief: !some[k.a]}
		if roles := all[store.Pair{ResourceID: k.a, Subject: iam.SubjectID(k.b)}]; len(roles) > 0 {
			for n, id := range roles {
				roles[n] = unique.Make(id).Value() // the same few texts in every binding
			}
			answers[i].value, answers[i].bytes = &roleList{roles}, 24+16*len(roles)
		}
	}
	for _, id := range resources {
		if !some[id] {
			answers = append(answers, loaded{key: key{kind: ofBare, a: id}})
		}
	}
	return answers, head, nil
}
