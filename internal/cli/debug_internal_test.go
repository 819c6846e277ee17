package cli

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// known are fields that sound like secrets and are none.
var known = map[string]bool{"page_token": true, "next_page_token": true, "masked_secret": true, "masked_key": true, "key_id": true, "access_key_id": true, "public_key": true,
	"refresh_token_id": true, "oauth_client_secret_id": true, "secret_id": true, "api_key_id": true, "key_algorithm": true, "resource_path": true}

// TestSecretFieldsAreKnown: every text of a command's call that sounds like a
// secret is hidden, or known to be none.
func TestSecretFieldsAreKnown(t *testing.T) {
	sounds := regexp.MustCompile(`secret|token|password|private|jwt|assertion|cookie|credential`)
	seen, judged := map[protoreflect.FullName]bool{}, 0
	var walk func(m protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			name := string(f.Name())
			switch {
			case f.Message() != nil:
				walk(f.Message())
			case f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind || !sounds.MatchString(name):
			case strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids") || known[name]:
			default:
				judged++
				if !secretFields[name] {
					t.Errorf("%s.%s is shown", m.FullName(), name)
				}
			}
		}
	}
	for _, r := range append(allCalls(root()), rpc{method: "/yandex.cloud.iam.v1.IamTokenService/Create"}) {
		in, out, err := types(r.method)
		if err != nil {
			t.Fatal(err)
		}
		walk(in.Descriptor())
		walk(out.Descriptor())
	}
	if judged < 5 {
		t.Errorf("%d fields only", judged)
	}
}
