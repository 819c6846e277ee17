package output

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func account() *iampb.ServiceAccount {
	return &iampb.ServiceAccount{Id: "aje1", FolderId: "b1g1", Name: "null", Labels: map[string]string{"b": "2", "a": "1"},
		CreatedAt: timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)), Status: iampb.ServiceAccount_ACTIVE}
}

// TestFormats: one message and one list in every form.
func TestFormats(t *testing.T) {
	table := `+------+------+---------+---------------------+--------+
|  ID  | NAME | LABELS  |     CREATED AT      | STATUS |
+------+------+---------+---------------------+--------+
| aje1 | null | a=1,b=2 | 2026-03-01 12:00:00 | ACTIVE |
+------+------+---------+---------------------+--------+
`
	yaml := `id: aje1
folder_id: b1g1
created_at: "2026-03-01T12:00:00.000000005Z"
name: "null"
labels:
  a: "1"
  b: "2"
status: ACTIVE
`
	item := "- " + strings.ReplaceAll(strings.TrimSuffix(yaml, "\n"), "\n", "\n  ") + "\n"
	js := `{
  "id": "aje1",
  "folder_id": "b1g1",
  "created_at": "2026-03-01T12:00:00.000000005Z",
  "name": "null",
  "labels": {
    "a": "1",
    "b": "2"
  },
  "status": "ACTIVE"
}
`
	rest := strings.NewReplacer("folder_id", "folderId", "created_at", "createdAt").Replace(js)
	list := func(one string) string {
		return "[\n  " + strings.ReplaceAll(strings.TrimSuffix(one, "\n"), "\n", "\n  ") + "\n]\n"
	}
	columns := []Column{{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}, {Title: "LABELS", Field: "labels"}, {Title: "CREATED AT", Field: "created_at"}, {Title: "STATUS", Field: "status"}}
	for _, c := range []struct {
		printer   Printer
		one, many string
	}{
		{Printer{Format: "text"}, yaml, table},
		{Printer{Format: "yaml"}, yaml, item},
		{Printer{Format: "json"}, js, list(js)},
		{Printer{Format: "json-rest"}, rest, list(rest)},
		{Printer{Format: "text", Columns: 40}, yaml, "ID: aje1\nNAME: null\nLABELS: a=1,b=2\nCREATED AT: 2026-03-01 12:00:00\nSTATUS: ACTIVE\n\n"},
		{Printer{Format: "text", Filter: ".. | .id? // empty"}, "aje1\n", "aje1\n"},
		{Printer{Format: "json-rest", Filter: "[.. | .folderId? // empty]"}, "[\"b1g1\"]\n", "[\"b1g1\"]\n"},
	} {
		var b bytes.Buffer
		p := c.printer
		p.Out = &b
		if err := p.Message(t.Context(), account()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.one, b.String()); d != "" {
			t.Errorf("%+v:\n%s", c.printer, d)
		}
		b.Reset()
		if err := p.List(t.Context(), []proto.Message{account()}, columns); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.many, b.String()); d != "" {
			t.Errorf("%+v, a list:\n%s", c.printer, d)
		}
	}
}

func TestFilters(t *testing.T) {
	for filter, want := range map[string]string{
		".a": "x\\x1b[2J\ny\n", ".b": "[1,2.5]\n", ".c": "null\n", ".b[]": "1\n2.5\n", "$ENV": "{}\n", "halt": "", "env.HOME": "null\n",
	} {
		var b bytes.Buffer
		p := &Printer{Out: &b, Filter: filter}
		if err := p.JSON(t.Context(), []byte(`{"a":"x\u001b[2J\ny","b":[1,2.5]}`)); err != nil || b.String() != want {
			t.Errorf("%s: %v, %q", filter, err, &b)
		}
	}
	for _, filter := range []string{".[", ".a.b", `error("x")`, "nope", `input`, `import "a" as a; .`} {
		err := (&Printer{Out: new(bytes.Buffer), Filter: filter}).JSON(t.Context(), []byte(`{"a":"x"}`))
		if _, ok := errors.AsType[*FilterError](err); !ok {
			t.Errorf("%s: %v", filter, err)
		}
	}
}
