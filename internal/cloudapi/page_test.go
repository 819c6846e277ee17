package cloudapi_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/iam"
)

func FuzzNameFilter(f *testing.F) {
	for _, s := range []string{"", `name="x"`, `name = "my-name"`, `name != "x"`, `name IN ("a","b")`, `id="x"`, `name="x" AND name="y"`, "name=\"\"", "\x00", `name="\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := cloudapi.NameFilter(s)
		if err != nil {
			if name != "" || !errors.Is(err, iam.InvalidArgument) {
				t.Errorf("%q: %q, %v", s, name, err)
			}
			return
		}
		if name == "" {
			if strings.TrimSpace(s) != "" {
				t.Errorf("%q filters nothing", s)
			}
			return
		}
		if strings.Count(s, `"`) != 2 || !strings.Contains(s, `"`+name+`"`) || utf8.RuneCountInString(name) > 63 {
			t.Errorf("%q gives %q", s, name)
		}
		if again, err := cloudapi.NameFilter(`name="` + name + `"`); again != name || err != nil {
			t.Errorf("%q gives %q, which gives %q, %v", s, name, again, err)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	p := cloudapi.Pages{Key: []byte("0123456789abcdef0123456789abcdef")}
	l := cloudapi.List{Method: "/a/B", Parent: "p", Filter: "f"}
	good := p.Next(l, "place")
	for _, s := range []string{"", good, good[1:], good + "A", "AAAA", "!", "\n"} {
		f.Add(s, "place")
	}
	f.Fuzz(func(t *testing.T, token, place string) {
		ask := l
		ask.Token = token
		if after, size, err := p.Open(ask); err == nil {
			// Whoever has no key can only show what was made for this list.
			if token != "" && token != p.Next(l, after) || token == "" && (after != "" || size != 100) {
				t.Errorf("the token %q leads to %q", token, after)
			}
		} else if !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%q: %v", token, err)
		}
		if place == "" {
			return // no row's place is empty
		}
		ask.Token = p.Next(l, place)
		if after, _, err := p.Open(ask); err != nil || after != place {
			t.Errorf("the place %q comes back as %q, %v", place, after, err)
		}
		for _, other := range []cloudapi.List{{Method: "/a/C", Parent: "p", Filter: "f"}, {Method: "/a/B", Parent: "q", Filter: "f"}, {Method: "/a/B", Parent: "pf"}} {
			other.Token = ask.Token
			if _, _, err := p.Open(other); err == nil {
				t.Errorf("a token of %v opens %v", l, other)
			}
		}
	})
}
