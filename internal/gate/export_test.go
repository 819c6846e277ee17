package gate

import "google.golang.org/protobuf/proto"

// Validate checks a message against the rules of its descriptor alone.
func Validate(m proto.Message) error {
	v, err := compileValidator(m.ProtoReflect().Descriptor())
	if err != nil {
		return err
	}
	return v.check(m, "")
}
