package replica

import (
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// loadStanding reads nodes of the tree, groups and memberships: the first
// resource and the first subject with one query, and so on. All that comes
// along is an answer too: what stands above a resource, and of a subject both.
func loadStanding(tx *store.Tx, want []key) (answers []loaded, head iam.Position, err error) {
	var resources, subjects []string
	for _, k := range want {
		if k.kind == ofResource {
			resources = append(resources, k.a)
		} else if !slices.Contains(subjects, k.a) {
			subjects = append(subjects, k.a)
		}
	}
	at := func(ids []string, i int) string {
		if i < len(ids) {
			return ids[i]
		}
		return ""
	}
	got := map[key]loaded{}
	for i := range max(len(resources), len(subjects)) {
		id, subject := at(resources, i), at(subjects, i)
		s, err := store.StandingOf(tx, id, iam.SubjectID(subject))
		if err != nil {
			return nil, 0, err
		}
		head = s.Head
		if id != "" && len(s.Path) == 0 {
			k := key{kind: ofResource, a: id}
			got[k] = loaded{key: k, err: iam.Errorf(iam.NotFound, "Resource %s not found", id)}
		}
		for _, l := range slices.Concat(nodesOf(s.Path, s.Policies), subjectOf(subject, s)) {
			got[l.key] = l
		}
	}
	answers = make([]loaded, len(want), len(want)+len(got))
	for i, k := range want {
		answers[i] = got[k]
		delete(got, k)
	}
	for _, l := range got {
		answers = append(answers, l)
	}
	return answers, head, nil
}

func nodesOf(path []resource.Ref, policies map[string][]string) []loaded {
	all := make([]loaded, len(path))
	for at, self := range path {
		n := &node{self: self, policies: policies[self.ID]}
		if at+1 < len(path) {
			n.parent = path[at+1]
		}
		all[at] = loaded{key: key{kind: ofResource, a: self.ID}, value: n, bytes: n.bytes()}
	}
	return all
}

func subjectOf(id string, s *store.Standing) []loaded {
	if id == "" {
		return nil
	}
	groups := loaded{key: key{kind: ofGroups, a: id}, value: &groupList{s.Groups}, bytes: 24}
	for _, g := range s.Groups {
		groups.bytes += 16 + len(g)
	}
	m := &membership{organizations: s.Organizations}
	member := loaded{key: key{kind: ofMember, a: id}, value: m, bytes: 48}
	for _, o := range s.Organizations {
		g := iam.OrganizationUsers(o)
		m.groups = append(m.groups, g)
		member.bytes += 32 + len(o) + len(g)
	}
	return []loaded{groups, member}
}
