package cli

import (
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
)

// secretFields are the fields whose values are never shown [client fact: the
// SDKs' log redaction], with those of our own messages.
var secretFields = map[string]bool{
	"yandex_passport_oauth_token": true, "jwt": true, "iam_token": true, "subject_token": true, "actor_token": true,
	"refresh_token": true, "access_token": true, "private_key": true, "secret": true, "password": true,
	"session_token": true, "id_token": true, "secret_value": true, "payload": true,
}

// masked is a message for a log: its JSON without secrets.
func masked(m proto.Message) string {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
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
			if _, isText := value.(string); isText && secretFields[name] {
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
