package cloudapi

import (
	"slices"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/propusk/propusk/internal/iam"
)

// Mask tells which fields an update writes. Without a mask every updatable
// field is written [API fact: update masks].
type Mask struct {
	all   bool
	paths map[string]bool
}

// NewMask checks an update mask against the fields that can be updated.
func NewMask(m *fieldmaskpb.FieldMask, updatable ...string) (Mask, error) {
	if len(m.GetPaths()) == 0 {
		return Mask{all: true}, nil
	}
	out := Mask{paths: make(map[string]bool, len(m.GetPaths()))}
	for _, p := range m.GetPaths() {
		if !slices.Contains(updatable, p) {
			return Mask{}, iam.InvalidField("update_mask", "%q cannot be updated; the fields are %v", p, updatable)
		}
		out.paths[p] = true
	}
	return out, nil
}

// Has tells whether a field is to be written.
func (m Mask) Has(field string) bool { return m.all || m.paths[field] }
