package gate

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Denied words a refusal as the API does, with the chain from the resource up
// [API fact: "Permission to [...] denied"]: the corridor's own, and that of
// handlers that decide about somebody else than the caller. Its text is no longer
// than a status may be: services make up paths of 128 elements.
func Denied(path []resource.Ref) *iam.Error {
	return &iam.Error{Kind: iam.PermissionDenied, Message: shorten(permissionTo(path)+" denied", maxMessage), Reason: "denied"}
}
