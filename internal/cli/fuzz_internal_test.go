package cli

import (
	"flag"
	"io"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// FuzzFlags: whatever is given to any flag of any command of one call either is
// refused or makes a request that can be sent, and its log can be written.
func FuzzFlags(f *testing.F) {
	calls := allCalls(root())
	for i, text := range []string{"", "a", "a=b,c=d", "2030-01-02T03:04:05Z", "1h", "true", "7", "-1", "99999999999999999999", "a,b,,c", "=", ",=,", "\xff", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+00:00", "rsa-2048", "-", "@/dev/null", "role=viewer,subject=x:y"} {
		f.Add(uint(i*7), uint(i), text)
	}
	f.Fuzz(func(t *testing.T, which, option uint, text string) {
		r := calls[which%uint(len(calls))]
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		q, err := r.declare(flags)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.options) == 0 {
			return
		}
		name := r.options[option%uint(len(r.options))].name
		if flags.Set(name, text) != nil {
			return
		}
		_, err = proto.Marshal(q.message.Interface())
		field := notUTF8(q.message)
		if (err != nil) != (field != "") {
			t.Fatalf("%s --%s %q: %v, and the field %q is told", r.method, name, text, err, field)
		}
		if utf8.ValidString(text) && field != "" {
			t.Fatalf("%s --%s %q: %s is told to be no UTF-8", r.method, name, text, field)
		}
		_ = masked(q.message.Interface())
		new(session).hideSecretsOf(q.message)
	})
}
