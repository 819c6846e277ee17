package cli

import (
	"fmt"
	"io"
	"strings"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// mostRoles bounds the roles that a report proposes.
const mostRoles = 5

// report writes an explanation for a person: the verdict, then every step in
// the order in which it was decided, then what would turn it.
func report(w io.Writer, x *propuskpb.Explanation) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(printable(fmt.Sprintf(format, args...)) + "\n") }
	line("%s", x.GetVerdict())
	line("")
	line("Subject     %s", strings.TrimSpace(x.GetSubject().GetType()+" "+x.GetSubject().GetId()))
	line("Permission  %s", x.GetPermission())
	for i, p := range x.GetPath() {
		title := "Resource"
		if i > 0 {
			title = ""
		}
		line("%-11s %s", title, place(p))
	}
	line("")
	line("The subject counts as")
	for _, h := range x.GetHolders() {
		line("  %-22s %s", h.GetId(), holderKind[h.GetKind()])
	}
	none(line, len(x.GetHolders()))
	line("")
	line("Bindings that count (+ grants, - does not)")
	for _, v := range x.GetBindings() {
		line("%s", weighed(v))
	}
	none(line, len(x.GetBindings()))
	if len(x.GetPolicies()) > 0 {
		line("")
		line("Access policies (x denies, - does not)")
		for _, p := range x.GetPolicies() {
			mark := "-"
			if p.GetDenies() {
				mark = "x"
			}
			line("  %s %s on %s", mark, p.GetAccessPolicyTemplateId(), place(p.GetResource()))
		}
	}
	if !x.GetAllowed() {
		line("")
		remedy(line, x)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var holderKind = map[string]string{"self": "itself", "group": "a group it is in", "system": "a group of the system"}

func none(line func(string, ...any), n int) {
	if n == 0 {
		line("  nobody and nothing")
	}
}

func weighed(v *propuskpb.WeighedBinding) string {
	if !v.GetGrants() {
		return "  - " + binding(v.GetBinding()) + ": " + v.GetWhy()
	}
	text := "  + " + binding(v.GetBinding())
	if through := v.GetThrough(); len(through) > 1 {
		text += ", through " + strings.Join(through[1:], " > ")
	}
	return text
}

// remedy says what would allow what is denied.
func remedy(line func(string, ...any), x *propuskpb.Explanation) {
	for _, p := range x.GetPolicies() {
		if p.GetDenies() {
			line("No binding would allow it: an access policy denies it to everybody.")
			return
		}
	}
	if x.GetWouldAllow() == nil {
		line("No binding would allow it.")
		return
	}
	line("The least binding that would allow it")
	line("  %s", binding(x.GetWouldAllow()))
	line("")
	line("Roles that have the permission, the smallest first")
	for i, r := range x.GetRoles() {
		if i == mostRoles {
			line("  and %d more; --format json names them", len(x.GetRoles())-mostRoles)
			break
		}
		var on []string
		for _, p := range r.GetOn() {
			on = append(on, p.GetType())
		}
		line("  %s (%d permissions), on %s", r.GetRoleId(), r.GetPermissions(), strings.Join(on, ", "))
	}
}

func binding(b *propuskpb.Binding) string {
	return b.GetRoleId() + " to " + b.GetSubjectId() + " on " + place(b.GetResource())
}

func place(p *propuskpb.PathResource) string { return p.GetType() + " " + p.GetId() }
