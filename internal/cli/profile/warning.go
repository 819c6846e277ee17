package profile

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Warnings says what is to be told of the file before a profile of it is used:
// that others may read its credentials or replace it, properties that nobody
// knows, and an active profile that is not there.
func (f *File) Warnings(name string) []string {
	var out []string
	if f.mode&0o077 != 0 && f.hasCredentials() {
		out = append(out, fmt.Sprintf("others on this machine may get at the credentials in %s (its mode is %04o): chmod 600 %[1]s", f.path, f.mode))
	}
	if f.open != 0 {
		out = append(out, fmt.Sprintf("others on this machine may put another file in the place of %s (the mode of its folder is %04o)", f.path, f.open))
	}
	if current := member(&f.doc, "current"); current != nil && name == f.Current() && name != Default && !f.Has(name) {
		out = append(out, fmt.Sprintf("%s: line %d: the active profile %q is not there; `config profile activate` chooses another", f.path, current.Line, name))
	}
	for _, key := range f.unknown(name) {
		out = append(out, fmt.Sprintf("%s: line %d: there is no property %q; it is kept, and not used", f.path, key.Line, key.Value))
	}
	return out
}

func (f *File) hasCredentials() bool {
	for _, p := range f.Names() {
		if f.node(p, "token") != nil || f.node(p, "service-account-key") != nil {
			return true
		}
	}
	return false
}

// unknown are the names in the file, and of the properties of a profile, that
// mean nothing to this program.
func (f *File) unknown(name string) (out []*yaml.Node) {
	for i := 0; i+1 < len(f.doc.Content); i += 2 {
		if k := f.doc.Content[i]; k.Value != "current" && k.Value != "profiles" {
			out = append(out, k)
		}
	}
	p := member(member(&f.doc, "profiles"), name)
	if p == nil || p.Kind != yaml.MappingNode {
		return out
	}
	for i := 0; i+1 < len(p.Content); i += 2 {
		if k := p.Content[i]; k.Value != "services" && CheckProperty(k.Value) != nil {
			out = append(out, k)
		}
	}
	return out
}
