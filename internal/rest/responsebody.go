package rest

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// responseBody resolves a rule's response_body: the one field of the response
// that is the whole answer. It is nil where the whole response is. A scalar is
// refused: no answer of the API is a bare text or number.
func responseBody(md protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	if name == "" {
		return nil, nil
	}
	fd := md.Fields().ByName(protoreflect.Name(name))
	switch {
	case fd == nil:
		return nil, fmt.Errorf("response_body: %s has no field %q", md.FullName(), name)
	case !fd.IsList() && !fd.IsMap() && fd.Message() == nil:
		return nil, fmt.Errorf("response_body: field %q is neither a list nor a map nor a message", name)
	}
	for _, c := range fd.JSONName() {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, fmt.Errorf("response_body: the JSON name of field %q needs escapes", name)
		}
	}
	return fd, nil
}

// appendAnswer adds the compact JSON of a response, or of the one field of it
// that is the answer: a list is an array, a map or a message an object, and a
// message that is not there null.
func appendAnswer(buf []byte, m proto.Message, fd protoreflect.FieldDescriptor) ([]byte, error) {
	if fd == nil {
		return appendJSON(buf, m)
	}
	pm := m.ProtoReflect()
	switch {
	case fd.IsList() && !pm.Has(fd):
		return append(buf, "[]"...), nil
	case fd.IsMap() && !pm.Has(fd):
		return append(buf, "{}"...), nil
	case !pm.Has(fd):
		return append(buf, "null"...), nil
	case !fd.IsList() && !fd.IsMap():
		return appendJSON(buf, pm.Get(fd).Message().Interface())
	}
	alone := pm.New()
	alone.Set(fd, pm.Get(fd))
	start := len(buf)
	out, err := appendJSON(buf, alone.Interface())
	if err != nil {
		return buf, err
	}
	name := len(`{"`) + len(fd.JSONName()) + len(`":`)
	n := copy(out[start:], out[start+name:len(out)-1]) // without the name and the braces around it
	return out[:start+n], nil
}
