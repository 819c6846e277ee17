package access

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/iam"
)

// Limits on ids [API fact: role_id ≤ 64, permission ≤ 128, scope ≤ 256,
// AccessService's resource type ≤ 64 characters] and on what people write.
const (
	maxRoleID       = 64
	maxPermission   = 128
	maxScope        = 256
	maxResourceType = 64
	maxDescription  = 1024
)

var (
	roleID       = regexp.MustCompile(`^[a-z][-a-z0-9]*(\.[a-zA-Z][-a-zA-Z0-9]*){0,2}$`)
	permission   = regexp.MustCompile(`^[a-z][-a-z0-9]*\.[a-z][a-zA-Z0-9]*\.[a-z][a-zA-Z0-9]*$`)
	scopeID      = regexp.MustCompile(`^[a-z][-a-zA-Z0-9]*(\.[a-zA-Z][-a-zA-Z0-9]*){1,5}$`)
	resourceType = regexp.MustCompile(`^[a-z][-a-z0-9]*\.[a-z][a-zA-Z0-9]*$`)
)

// Each check says what is wrong with one word of a definition; "" when nothing is.

func checkRoleID(id string) string {
	if len(id) > maxRoleID || !roleID.MatchString(id) {
		return fmt.Sprintf("%q must look like service.role or service.collection.role, at most %d characters", id, maxRoleID)
	}
	return ""
}

func checkPermission(p string) string {
	if len(p) > maxPermission || !permission.MatchString(p) {
		return fmt.Sprintf("%q must look like service.collection.verb, at most %d characters", p, maxPermission)
	}
	return ""
}

func checkScopeID(id string) string {
	if len(id) > maxScope || !scopeID.MatchString(id) {
		return fmt.Sprintf("%q must look like yc.service.verb, at most %d characters", id, maxScope)
	}
	return ""
}

func checkResourceType(t string) string {
	if len(t) > maxResourceType || !resourceType.MatchString(t) {
		return fmt.Sprintf("%q must look like service.thing, at most %d characters", t, maxResourceType)
	}
	return ""
}

func checkDescription(text string) string {
	if text == "" || len(text) > maxDescription {
		return fmt.Sprintf("must be 1 to %d bytes", maxDescription)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(text) {
		return "must be of printable characters and line ends" // it is shown on terminals
	}
	return ""
}

// wellFormed checks every word of the definitions, whoever made them.
func (d Definitions) wellFormed() (problems []string) {
	bad := func(kind, id, field, problem string) {
		if problem != "" {
			problems = append(problems, d.problem(kind, id, "%s: %s", field, problem))
		}
	}
	for _, r := range d.Roles {
		bad("role", string(r.ID), "id", checkRoleID(string(r.ID)))
		bad("role", string(r.ID), "description", checkDescription(r.Description))
		bad("role", string(r.ID), "includes", twice(r.Includes))
		bad("role", string(r.ID), "permissions", checkPermissions(r.Permissions))
	}
	for _, s := range d.Scopes {
		bad("scope", s.ID, "id", checkScopeID(s.ID))
		bad("scope", s.ID, "description", checkDescription(s.Description))
		bad("scope", s.ID, "permissions", checkPermissions(s.Permissions))
	}
	for _, t := range d.ResourceTypes {
		bad("resource type", string(t.Type), "type", checkResourceType(string(t.Type)))
		bad("resource type", string(t.Type), "description", checkDescription(t.Description))
		bad("resource type", string(t.Type), "parents", twice(t.Parents))
	}
	return problems
}

func checkPermissions(all []iam.Permission) string {
	var bad []string
	for _, p := range all {
		if problem := checkPermission(string(p)); problem != "" {
			bad = append(bad, problem)
		}
	}
	if len(bad) > 0 {
		return strings.Join(bad, "; ")
	}
	return twice(all)
}

func twice[T ~string](all []T) string {
	seen := make(map[T]bool, len(all))
	for _, one := range all {
		if seen[one] {
			return fmt.Sprintf("%s is there twice", one)
		}
		seen[one] = true
	}
	return ""
}
