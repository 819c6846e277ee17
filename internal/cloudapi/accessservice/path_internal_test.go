package accessservice

import (
	"fmt"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// emptyTree knows nothing, and counts how often it was asked.
type emptyTree struct {
	access.Reads
	asked int
}

func (e *emptyTree) Ancestors(id string) ([]resource.Ref, error) {
	e.asked++
	return nil, iam.Errorf(iam.NotFound, "Resource %s not found", id)
}

// A path that cannot be right is given up where that shows: each look-up of an
// unknown id may be a query, and one call has room for 128,000 of them.
func TestLongPathsCostFewLookups(t *testing.T) {
	catalogue, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{Type: catalogue.ResourceType}
	for kind, most := range map[resource.Kind]int{
		resource.ServiceAccount: 1, resource.Folder: 1, "ydb.database": 1, "mail.box": 1,
		"container-registry.image": 1, "iam.gizmo": 2, // its root is looked at first
	} {
		q := question{}
		for i := range 128 {
			q.path = append(q.path, resource.Ref{Kind: kind, ID: fmt.Sprint("x", i)})
		}
		tree := &emptyTree{}
		if _, err := s.resolve(tree, &gate.Caller{Everywhere: true}, q); err == nil || tree.asked > most {
			t.Errorf("128 times %s: %v after %d look-ups, want at most %d", kind, err, tree.asked, most)
		}
	}
}
