package organization

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
)

func TestGroupFilter(t *testing.T) {
	groups := []*iam.Group{{ID: "aje1", Name: "devs"}, {ID: "aje2", Name: "Ops.Night"}, {ID: "aje3", Name: "dev-leads"}}
	for text, want := range map[string]string{
		"":                                  "aje1 aje2 aje3",
		"  ":                                "aje1 aje2 aje3",
		`name="devs"`:                       "aje1",
		`name = 'Ops.Night'`:                "aje2",
		`name='ops.night'`:                  "",
		`id IN ('aje1', "aje3")`:            "aje1 aje3",
		`id in("aje2")`:                     "aje2",
		`name contains 'dev'`:               "aje1 aje3",
		`name CONTAINS"dev"AND id='aje3'`:   "aje3",
		`name contains 'e' and id = 'aje2'`: "",
		`id = 'aje1' AND id = 'aje1'`:       "aje1",
	} {
		f, err := parseGroupFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for _, g := range groups {
			if f.match(g) {
				got = append(got, g.ID)
			}
		}
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
	for _, text := range []string{`name`, `name=`, `name=devs`, `name="devs`, `name="devs'`, `name=""`, `name="a\"b"`, `title="x"`, `NAME="x"`, `name!="x"`,
		`name="a" OR name="b"`, `name="a" AND`, `AND name="a"`, `name="a" name="b"`, `id IN ()`, `id IN ("a"`, `id IN ("a",)`, `id IN "a"`,
		`name contains ("a")`, `name="a";`, `"name"="a"`, "name\n=\"a\"", `name=“a”`} {
		if f, err := parseGroupFilter(text); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%q is read as %v (%v)", text, f, err)
		}
	}
}

func TestExternalFilter(t *testing.T) {
	for text, want := range map[string][2]string{"": {}, `name="a"`: {"a", ""}, `id = "b"`: {"", "b"}} {
		name, id, err := externalFilter(text)
		if got := [2]string{name, id}; err != nil || got != want {
			t.Errorf("%q: %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`name contains "a"`, `id IN ("a","b")`, `name="a" AND id="b"`, `x`} {
		if _, _, err := externalFilter(text); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A filter that is read says the same when it is written down again.
func FuzzGroupFilter(f *testing.F) {
	for _, seed := range []string{"", `name="devs"`, `id IN ('a', "b") AND name contains 'c'`, `name = `, `id IN (`, `name='`, `and`, "id\x00='a'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseGroupFilter(text)
		if err != nil {
			if iam.KindOf(err) != iam.InvalidArgument {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		var parts []string
		for _, c := range first {
			op, values := "IN", make([]string, len(c.values))
			for i, v := range c.values {
				quote := `"`
				if strings.Contains(v, quote) {
					quote = `'`
				}
				values[i] = quote + v + quote
			}
			list := "(" + strings.Join(values, ",") + ")"
			if c.contains {
				op, list = "contains", values[0]
			}
			parts = append(parts, c.field+" "+op+" "+list)
		}
		again, err := parseGroupFilter(strings.Join(parts, " AND "))
		if d := cmp.Diff(first, again, cmp.AllowUnexported(condition{})); err != nil || d != "" {
			t.Fatalf("%q: %v\n%s", text, err, d)
		}
	})
}
