package registry

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func TestParseScope(t *testing.T) {
	for text, want := range map[string]*propuskpb.RegistryScope{
		"repository:crp1/app:pull":               {Type: "repository", Name: "crp1/app", Actions: []string{"pull"}},
		"repository:crp1/a/b-c/d__e.f:pull,push": {Type: "repository", Name: "crp1/a/b-c/d__e.f", Actions: []string{"pull", "push"}},
		"repository(plugin):x/y:pull":            {Type: "repository", Class: "plugin", Name: "x/y", Actions: []string{"pull"}},
		"registry:catalog:*":                     {Type: "registry", Name: "catalog", Actions: []string{"*"}},
		"repository:x:pull,pull":                 {Type: "repository", Name: "x", Actions: []string{"pull", "pull"}},
	} {
		got, ok := parseScope(text)
		if diff := cmp.Diff(want, got, protocmp.Transform()); !ok || diff != "" {
			t.Errorf("%s: %v\n%s", text, ok, diff)
		}
	}
	for _, text := range []string{
		"", ":", "::", "repository", "repository:x", "repository:x:", "repository::pull", ":x:pull", "repository:x:pull,", "repository:x:,pull",
		"repository:a/../b:pull", "repository:../a:pull", "repository:a/./b:pull", "repository:a//b:pull", "repository:/a:pull", "repository:a/:pull",
		"repository:A/b:pull", "repository:a/B:pull", "repository:a%2fb:pull", "repository:a\\b:pull", "repository:a:pull:push", "repository:host:5000/a:pull",
		"repository:a/b:PULL", "repository:a/b:pull;push", "Repository:a/b:pull", "repository(:a/b:pull", "repository():a/b:pull", "repository(plugin:a/b:pull",
		"repository:a/b:pull\n", "repository:a/b\x00:pull", "repository:\u0430/b:pull", "repository:a-:pull", "repository:-a:pull", "repository:a___b:pull", "repository:a..b:pull",
		"repository:a/b:**", "repository:*:pull", "repository:" + strings.Repeat("a", 256) + ":pull", "repository:a:" + strings.Repeat("x", 33),
		"repository:a:" + strings.Repeat("a,", 8) + "a", strings.Repeat("r", 600),
	} {
		if got, ok := parseScope(text); ok {
			t.Errorf("%q is taken: %v", text, got)
		}
	}
}

// FuzzParseScope: what is taken is written in one way alone, and leads nowhere
// but where it says.
func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"repository:crp1/app:pull,push", "repository(plugin):a/b:*", "registry:catalog:*", "repository:a/../b:pull", "repository:a%2fb:pull", "::"} {
		f.Add(s)
	}
	name := regexp.MustCompile(`^[a-z0-9._/-]{1,255}$`)
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseScope(text)
		if !ok {
			return
		}
		kind := s.GetType()
		if s.GetClass() != "" {
			kind += "(" + s.GetClass() + ")"
		}
		if again := kind + ":" + s.GetName() + ":" + strings.Join(s.GetActions(), ","); again != text {
			t.Errorf("%q is read as %q", text, again)
		}
		if !name.MatchString(s.GetName()) || strings.Contains(s.GetName(), "..") || strings.Contains(s.GetName(), "//") || len(s.GetActions()) > maxActions {
			t.Errorf("%q", text)
		}
	})
}

// FuzzParseBasic: what is taken has one user and one password.
func FuzzParseBasic(f *testing.F) {
	for _, s := range []string{"Basic aWFtOnQxLng=", "basic aWFtOg==", "Basic aWFt", "Bearer x", "Basic  aWFtOnQxLng=  ", "Basic aWFt\nOnQx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		user, password, err := parseBasic(header)
		if err == nil && (strings.Contains(user, ":") || len(user)+len(password) >= len(header)) {
			t.Errorf("%q: %q %q", header, user, password)
		}
		if err != nil && len(password) > 0 {
			t.Errorf("%q: refused, with a password", header)
		}
	})
}

// FuzzParseForm: no parameter but the password has control characters.
func FuzzParseForm(f *testing.F) {
	for _, s := range []string{"grant_type=password&username=iam&password=t1.x&scope=a&scope=b", "password=%0a", "scope=%0a", "a=%zz", ";", "a;b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseForm(text, maxBody)
		if err != nil {
			return
		}
		for name, values := range p {
			for _, v := range values {
				if name != "password" && strings.ContainsFunc(name+v, control) {
					t.Errorf("%q: %q=%q", text, name, v)
				}
			}
		}
	})
}
