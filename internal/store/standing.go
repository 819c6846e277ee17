package store

import (
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Standing is where a resource stands, and as whom a subject stands before it,
// at one position.
type Standing struct {
	Head          iam.Position
	Path          []resource.Ref      // the resource itself, then its parents, the organization last; empty when it does not live
	Policies      map[string][]string // by resource of Path: ids of templates, ordered; those without any are left out
	Groups        []iam.SubjectID     // that the subject is in, ordered
	Organizations []string            // that the subject belongs to, ordered
}

// What a row of StandingOf's query tells; its head has none of them.
const (
	standingOn = -1 - iota
	standingPolicy
	standingGroup
	standingMember
)

// StandingOf reads with one query all that a decision needs before it looks at
// bindings. Either id may be "", for nothing.
func StandingOf(tx *Tx, resourceID string, subject iam.SubjectID) (*Standing, error) {
	s := &Standing{}
	type step struct {
		depth int64
		ref   resource.Ref
	}
	var steps []step
	err := tx.each(`WITH RECURSIVE up (id, kind, parent_id, depth) AS (
			SELECT id, kind, parent_id, 0 FROM resources WHERE id = $1 AND deleted_at IS NULL
			UNION ALL
			SELECT r.id, r.kind, r.parent_id, up.depth + 1 FROM up JOIN resources r ON r.id = up.parent_id
		)
		SELECT seq, 0, '', '' FROM feed_head
		UNION ALL SELECT -1, depth, kind, id FROM up
		UNION ALL SELECT -2, 0, template_id, resource_id FROM access_policies WHERE resource_id IN (SELECT id FROM up)
		UNION ALL SELECT -3, 0, '', group_id FROM group_members WHERE subject_id = $2
		UNION ALL SELECT -4, 0, '', organization_id FROM organization_members WHERE subject_id = $2`,
		[]any{resourceID, string(subject)}, func(r Rows) error {
			var what, depth int64
			var word, id string
			if err := r.Scan(&what, &depth, &word, &id); err != nil {
				return err
			}
			switch what {
			case standingOn:
				steps = append(steps, step{depth, resource.Ref{Kind: resource.Kind(word), ID: id}})
			case standingPolicy:
				if s.Policies == nil {
					s.Policies = map[string][]string{}
				}
				s.Policies[id] = append(s.Policies[id], word)
			case standingGroup:
				s.Groups = append(s.Groups, iam.SubjectID(id))
			case standingMember:
				s.Organizations = append(s.Organizations, id)
			default:
				s.Head = iam.Position(what)
			}
			return nil
		})
	slices.SortFunc(steps, func(a, b step) int { return int(a.depth - b.depth) })
	for _, st := range steps {
		s.Path = append(s.Path, st.ref)
	}
	for _, ids := range s.Policies {
		slices.Sort(ids)
	}
	slices.Sort(s.Groups)
	slices.Sort(s.Organizations)
	return s, err
}
