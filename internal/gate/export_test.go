package gate

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Understands tells why the rules that a message carries could not be kept.
func Understands(md protoreflect.MessageDescriptor) error {
	_, err := compileValidator(md)
	return err
}

// Validate checks a message against the rules of its descriptor alone.
func Validate(m proto.Message) error {
	v, err := compileValidator(m.ProtoReflect().Descriptor())
	if err != nil {
		return err
	}
	return v.check(m, "")
}
