package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

// secretFields are the fields whose values are never shown [client fact: the
// SDKs' log redaction], with those of our own messages.
var secretFields = map[string]bool{
	"yandex_passport_oauth_token": true, "jwt": true, "iam_token": true, "subject_token": true, "actor_token": true,
	"refresh_token": true, "access_token": true, "private_key": true, "secret": true, "password": true,
	"session_token": true, "id_token": true, "secret_value": true, "payload": true,
	"client_secret": true, "device_code": true, "code": true, "code_verifier": true, "assertion": true,
}

// leastHidden is how long a text must be to be looked for elsewhere: a shorter
// one is in other words by chance.
const leastHidden = 8

// hide remembers secrets of this run, which are shown nowhere.
func (s *session) hide(secrets ...string) {
	for _, text := range secrets {
		if text = strings.TrimSpace(text); len(text) >= leastHidden && !slices.Contains(s.hidden, text) {
			s.hidden = append(s.hidden, text)
		}
	}
}

// hideSecretsOf remembers those that a message carries.
func (s *session) hideSecretsOf(m protoreflect.Message) {
	if packed, ok := m.Interface().(*anypb.Any); ok {
		if inner, err := packed.UnmarshalNew(); err == nil {
			s.hideSecretsOf(inner.ProtoReflect())
		}
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
		case field.IsList() && field.Message() != nil:
			for i := range v.List().Len() {
				s.hideSecretsOf(v.List().Get(i).Message())
			}
		case field.IsList():
		case field.Message() != nil:
			s.hideSecretsOf(v.Message())
		case field.Kind() == protoreflect.StringKind && secretFields[string(field.Name())]:
			s.hide(v.String())
		}
		return true
	})
}

// concealed is a text without the secrets of this run, and without what looks
// like one.
func (s *session) concealed(text string) string {
	for _, secret := range append([]string{s.bearer.Reveal()}, s.hidden...) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return iam.Conceal(text)
}

// masked is a message for a log: its JSON without secrets.
func masked(m proto.Message) string {
	text, err := output.Encode(m, true)
	if err != nil {
		return "a message that cannot be printed"
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return "a message that cannot be printed"
	}
	text, err = json.Marshal(withoutSecrets(v))
	if err != nil {
		return "a message that cannot be printed"
	}
	return iam.Conceal(string(text))
}

func withoutSecrets(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			_, isText := value.(string)
			_, isList := value.([]any)
			if secretFields[name] && (isText || isList) {
				v[name] = "*** hidden ***"
			} else {
				v[name] = withoutSecrets(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i])
		}
	}
	return v
}
