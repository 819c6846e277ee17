package access_test

import (
	"slices"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// world is a whole tree in maps, as tests describe it.
type world struct {
	refs    map[string]resource.Ref
	parent  map[string]string
	groups  map[iam.SubjectID][]iam.SubjectID // member → groups
	members map[iam.SubjectID][]iam.SubjectID // subject → system groups of its organizations
	bound   map[pair][]iam.RoleID
	denied  map[string][]string // resource → templates of policies
}

type pair struct {
	resource string
	subject  iam.SubjectID
}

func newWorld() *world {
	return &world{
		refs: map[string]resource.Ref{}, parent: map[string]string{},
		groups: map[iam.SubjectID][]iam.SubjectID{}, members: map[iam.SubjectID][]iam.SubjectID{},
		bound: map[pair][]iam.RoleID{}, denied: map[string][]string{},
	}
}

func (w *world) add(kind resource.Kind, id, parent string) {
	w.refs[id] = resource.Ref{Kind: kind, ID: id}
	w.parent[id] = parent
}

func (w *world) bind(resource string, subject iam.SubjectID, role iam.RoleID) {
	p := pair{resource, subject}
	if !slices.Contains(w.bound[p], role) {
		w.bound[p] = append(w.bound[p], role)
	}
}

func (w *world) unbind(resource string, subject iam.SubjectID, role iam.RoleID) {
	p := pair{resource, subject}
	w.bound[p] = slices.DeleteFunc(w.bound[p], func(r iam.RoleID) bool { return r == role })
}

func (w *world) deny(resource, template string) {
	if !slices.Contains(w.denied[resource], template) {
		w.denied[resource] = append(w.denied[resource], template)
	}
}

func (w *world) allow(resource, template string) {
	w.denied[resource] = slices.DeleteFunc(w.denied[resource], func(id string) bool { return id == template })
}

func (w *world) Ancestors(id string) ([]resource.Ref, error) {
	if _, ok := w.refs[id]; !ok {
		return nil, iam.Errorf(iam.NotFound, "Resource %s not found", id)
	}
	var path []resource.Ref
	for ; id != ""; id = w.parent[id] {
		path = append(path, w.refs[id])
	}
	return path, nil
}

func (w *world) Groups(s iam.SubjectID) ([]iam.SubjectID, error) { return w.groups[s], nil }

func (w *world) OrganizationGroups(s iam.SubjectID) ([]iam.SubjectID, error) {
	return w.members[s], nil
}

func (w *world) Bound(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error {
	for i, ref := range path {
		for j, h := range holders {
			if roles := w.bound[pair{ref.ID, h}]; len(roles) > 0 && !visit(i, j, roles) {
				return nil
			}
		}
	}
	return nil
}

func (w *world) Policies(path []resource.Ref, visit func(at int, templates []string) bool) error {
	for i, ref := range path {
		if ids := w.denied[ref.ID]; len(ids) > 0 && !visit(i, ids) {
			return nil
		}
	}
	return nil
}

var _ access.Reads = (*world)(nil)
