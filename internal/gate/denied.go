package gate

import (
	"errors"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Denied is the refusal that the corridor gives for a resource and what stands
// above it, for handlers that decide about somebody else than the caller.
func Denied(path []resource.Ref) *iam.Error {
	e, _ := errors.AsType[*iam.Error](denied(path))
	return e
}
