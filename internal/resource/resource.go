// Package resource is the tree that access follows: what kinds of resource
// there are, which may stand below which, and how their ids look.
package resource

import (
	"crypto/rand"
	"fmt"
)

// Kind is the type of a resource as the API spells it in denials, in audit
// paths and in AccessService's resource paths.
type Kind string

// The kinds that Propusk itself owns.
const (
	Organization   Kind = "organization-manager.organization"
	Cloud          Kind = "resource-manager.cloud"
	Folder         Kind = "resource-manager.folder"
	ServiceAccount Kind = "iam.serviceAccount"
	Group          Kind = "organization-manager.group"
)

// Ref names one resource.
type Ref struct {
	Kind Kind
	ID   string
}

func (r Ref) String() string { return string(r.Kind) + " " + r.ID }

var parents = map[Kind]Kind{
	Organization:   "",
	Cloud:          Organization,
	Folder:         Cloud,
	ServiceAccount: Folder,
	Group:          Organization,
}

// ParentKind is the kind that must stand above; "" for a root. The second
// result is false for a kind that the tree does not know.
func ParentKind(k Kind) (Kind, bool) {
	p, ok := parents[k]
	return p, ok
}

// CheckParent says why a resource may not stand below another.
func CheckParent(child, parent Kind) error {
	want, ok := parents[child]
	if !ok {
		return fmt.Errorf("unknown resource kind %q", child)
	}
	if want != parent {
		return fmt.Errorf("%s stands below %q, not below %q", child, want, parent)
	}
	return nil
}

// Prefixes of ids, one for each service that makes them
// [observed in the API: aje IAM, b1g resource manager, bpf organizations].
const (
	PrefixIAM          = "aje"
	PrefixManager      = "b1g"
	PrefixOrganization = "bpf"
)

const alphabet = "0123456789abcdefghijklmnopqrstuv" // base32hex, lower case

// NewID makes an id: a three-character prefix and 17 characters of base32hex
// from the system's randomness (85 bits), 20 in all.
func NewID(prefix string) string {
	var b [17]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return prefix + string(b[:])
}

// NewIDFor makes an id with the prefix of a kind.
func NewIDFor(k Kind) string {
	switch k {
	case Organization:
		return NewID(PrefixOrganization)
	case Cloud, Folder:
		return NewID(PrefixManager)
	default:
		return NewID(PrefixIAM)
	}
}
