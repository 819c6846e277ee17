package output

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/anypb"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// FuzzPrint: whatever text a server sends is printed, can be read back by a
// program, and has nothing in it that a terminal obeys.
func FuzzPrint(f *testing.F) {
	for _, seed := range []string{"", "yes", "0x1", "- a", "a: b #c", "\x1b[2J", "\u009b\u202e\u2028\x7f\ufeff", "\U000e0001\U0001f600", " a\n\tb\r\n", "~", "\\u001b", "'\"", "<<", "!!str x", "a\n\n b\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("no such text is sent: protobuf's are UTF-8")
		}
		for format, read := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": yaml.Unmarshal} {
			var b bytes.Buffer
			p := &Printer{Out: &b, Format: format}
			if err := p.Message(t.Context(), &propuskpb.Resource{Id: "x", Name: text, Labels: map[string]string{text: text}}); err != nil {
				t.Fatalf("%s of %q: %v", format, text, err)
			}
			var back struct {
				Name   string
				Labels map[string]string
			}
			if err := read(b.Bytes(), &back); err != nil || back.Name != text || back.Labels[text] != text {
				t.Errorf("%s of %q reads %q, %v:\n%s", format, text, back, err, &b)
			}
			if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%s of %q prints %q", format, text, &b)
			}
		}
	})
}

// TestPrintable: nothing of a server's text moves a terminal's cursor.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, слово": "plain, слово", "\x1b[2J": `\x1b[2J`, "a\u202eb": `a\u202eb`, "\x9b31m": "\ufffd31m", "a\xffb\n": "a\ufffdb\\n", "\u009b": `\u009b`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestUnknownTypes: what a newer server has packed is shown by its type's name.
func TestUnknownTypes(t *testing.T) {
	op := &operationpb.Operation{Id: "x", Metadata: &anypb.Any{TypeUrl: "type.googleapis.com/yandex.cloud.new.v1.Metadata", Value: []byte("\x0a\x01a")}}
	var b bytes.Buffer
	if err := (&Printer{Out: &b, Format: "json", Filter: ".metadata"}).Message(t.Context(), op); err != nil || b.String() != `{"@type":"type.googleapis.com/yandex.cloud.new.v1.Metadata"}`+"\n" {
		t.Errorf("%v, %s", err, &b)
	}
}
