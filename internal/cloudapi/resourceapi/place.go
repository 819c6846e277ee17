package resourceapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Place says why a resource of a type cannot be registered below another
// resource, or below nothing (the zero Ref): INVALID_ARGUMENT.
func Place(kinds Kinds, kind resource.Kind, parent resource.Ref) error {
	if parent != (resource.Ref{}) {
		if err := mayHold(parent); err != nil {
			return err
		}
	}
	if _, ours := resource.ParentKind(kind); ours {
		return iam.InvalidField("type", "a %s is made by its own service", kind)
	}
	parents, known := kinds.Parents(kind)
	if !known {
		return iam.InvalidField("type", "nobody registered the type %q", kind)
	}
	switch {
	case parent == (resource.Ref{}):
		if len(parents) > 0 {
			return iam.InvalidField("type", "a %s is no root: it stands below a %s", kind, either(parents))
		}
	case len(parents) == 0:
		return iam.InvalidField("type", "a %s stands below nothing; the operator registers it with propusk resource register-root", kind)
	case !slices.Contains(parents, parent.Kind):
		return iam.InvalidField("type", "a %s stands below a %s, not below a %s", kind, either(parents), parent.Kind)
	}
	return nil
}

func either(kinds []resource.Kind) string {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		texts[i] = string(k)
	}
	return strings.Join(texts, " or a ")
}

// mayHold refuses parents below which nothing can be registered. Folders alone
// take their registered resources along when they are deleted.
func mayHold(parent resource.Ref) error {
	if _, ours := resource.ParentKind(parent.Kind); ours && parent.Kind != resource.Folder {
		return iam.InvalidField("parent_id", "a %s holds no registered resources; name a folder or a registered resource", parent.Kind)
	}
	return nil
}

var (
	legalID = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9._]{0,49}$`)
	ownID   = regexp.MustCompile(`^(` + resource.PrefixIAM + `|` + resource.PrefixManager + `|` + resource.PrefixOrganization + `)[0-9a-v]{17}$`)
)

// LegalID says why an id cannot be chosen. Ids of the form that this server
// makes itself are not to be had, so that nobody can find out by trying which
// of them exist, or take one before its time.
func LegalID(id string) error {
	if !legalID.MatchString(id) {
		return iam.InvalidField("id", "an id is 1 to 50 of a-z, A-Z, 0-9, -, . and _, and begins with a letter or digit")
	}
	if ownID.MatchString(id) {
		return iam.InvalidField("id", "ids of this form are made by the server; leave it empty for one")
	}
	return nil
}
