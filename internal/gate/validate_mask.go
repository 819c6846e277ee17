package gate

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// More paths than any request message has fields.
const maxMaskPaths = 256

// maskPaths returns the paths of the message's update_mask; none means that
// the message is checked as a whole.
func (v *validator) maskPaths(m protoreflect.Message) []string {
	if v.mask == nil || !m.Has(v.mask) {
		return nil
	}
	mask, ok := m.Get(v.mask).Message().Interface().(*fieldmaskpb.FieldMask)
	if !ok {
		return nil
	}
	return mask.GetPaths()
}

// checkMasked checks what the mask names and the field that says which
// resource is meant.
func (v *validator) checkMasked(r *report, m protoreflect.Message, paths []string, identity string) {
	if len(paths) > maxMaskPaths {
		r.failIn(string(v.mask.Name()), fmt.Sprintf("must have at most %d paths", maxMaskPaths))
		return
	}
	md := m.Descriptor()
	for _, p := range paths {
		if why := v.refusePath(md, p, identity); why != "" {
			r.failIn(string(v.mask.Name()), why)
		}
	}
	for i := range v.rules.fields {
		f := &v.rules.fields[i]
		if v.fixed(f.fd, identity) && f.fd != v.mask {
			f.check(r, m)
			continue
		}
		if !f.member {
			f.checkWithin(r, m, paths)
		}
	}
	v.rules.checkOneofsWithin(r, m, paths)
}

// fixed tells fields that an update never changes.
func (v *validator) fixed(fd protoreflect.FieldDescriptor, identity string) bool {
	name := string(fd.Name())
	return fd == v.mask || name == identity || fd.Index() == 0 && (name == "id" || strings.HasSuffix(name, "_id"))
}

// refusePath says what is wrong with a path, "" when nothing is.
func (v *validator) refusePath(md protoreflect.MessageDescriptor, path, identity string) string {
	rest, more := path, true
	for depth := 0; more; depth++ {
		var name string
		name, rest, more = strings.Cut(rest, ".")
		if md == nil {
			return fmt.Sprintf("path %q goes below a field without fields", clip(path))
		}
		fd := md.Fields().ByName(protoreflect.Name(name))
		if fd == nil || depth == 0 && fd == v.mask {
			return fmt.Sprintf("path %q names no field of the request", clip(path))
		}
		if depth == 0 && v.fixed(fd, identity) {
			return fmt.Sprintf("path %q names a field that cannot be changed", clip(path))
		}
		if md = fd.Message(); fd.IsList() || fd.IsMap() {
			md = nil
		}
	}
	return ""
}

// checkWithin checks a field that the mask names, or the part of it that the
// mask names.
func (f *fieldRule) checkWithin(r *report, m protoreflect.Message, paths []string) {
	var below []string
	for _, p := range paths {
		name, rest, more := strings.Cut(p, ".")
		if name != f.name {
			continue
		}
		if !more {
			f.check(r, m)
			return
		}
		below = append(below, rest)
	}
	if len(below) == 0 || f.nested == nil || !m.Has(f.fd) {
		return
	}
	inner := m.Get(f.fd).Message()
	r.enter(f.name)
	defer r.leave()
	for i := range f.nested.fields {
		if !f.nested.fields[i].member {
			f.nested.fields[i].checkWithin(r, inner, below)
		}
	}
	f.nested.checkOneofsWithin(r, inner, below)
}

// checkOneofsWithin checks a oneof as a whole when the mask names a member.
func (mr *messageRules) checkOneofsWithin(r *report, m protoreflect.Message, paths []string) {
	for i := range mr.oneofs {
		if namesMember(paths, mr.oneofs[i].od) {
			mr.oneofs[i].check(r, m)
		}
	}
}

func namesMember(paths []string, od protoreflect.OneofDescriptor) bool {
	for _, p := range paths {
		name, _, _ := strings.Cut(p, ".")
		if od.Fields().ByName(protoreflect.Name(name)) != nil {
			return true
		}
	}
	return false
}
