package output

import (
	"errors"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// tolerant knows every type: one that this program was built without is shown
// by its name alone, so that an operation of a newer server can be looked at.
type tolerant struct{ *protoregistry.Types }

// FindMessageByURL implements protojson's resolver.
func (t tolerant) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	found, err := t.Types.FindMessageByURL(url)
	if errors.Is(err, protoregistry.NotFound) {
		return new(iampb.SuspendServiceAccountResponse).ProtoReflect().Type(), nil // a message without fields
	}
	return found, err
}

// Encode is a message in the proto's JSON form, in one spelling: protojson's own
// spaces differ from one build to the next.
func Encode(m proto.Message, protoNames bool) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: protoNames, Resolver: tolerant{protoregistry.GlobalTypes}}.Marshal(m)
	return Compact(text), err
}
