package cli

import (
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// notUTF8 is the first field whose text no server would take.
func notUTF8(m protoreflect.Message) (found string) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				if !utf8.ValidString(k.String()) || !utf8.ValidString(v.String()) {
					found = string(field.Name())
				}
				return found == ""
			})
		case field.IsList():
			for i := range v.List().Len() {
				if found == "" {
					found = textNotUTF8(field, v.List().Get(i))
				}
			}
		default:
			found = textNotUTF8(field, v)
		}
		return found == ""
	})
	return found
}

func textNotUTF8(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case field.Message() != nil:
		return notUTF8(v.Message())
	case field.Kind() == protoreflect.StringKind && !utf8.ValidString(v.String()):
		return string(field.Name())
	}
	return ""
}
