package access_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// TestScenarios plays the files of testdata. Each holds these sections:
//
//	tree      one resource a line, below the one it is indented under; other
//	          kinds than the four of the hierarchy by their full names
//	people    alice: userAccount; "anonymous" for one who has not said who he is
//	members   organization: subjects that belong to it
//	groups    group: its members
//	roles     a roles file whose roles join the built-in ones (may be left out);
//	          "roles of acme" are an organization's own
//	bindings  resource: role to subject; "not" before it takes it off
//	policies  resource: template; "not" before it takes it off
//	checks    subject may|may not permission on resource
//	          policy denies subject permission on resource
//	          subject finds no resource
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			playScenario(t, a)
		})
	}
}

type scenario struct {
	*world
	people map[string]iam.Subject
}

func playScenario(t *testing.T, a *txtar.Archive) {
	t.Helper()
	definitions, err := access.BuiltinDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{world: newWorld(), people: map[string]iam.Subject{}}
	checks := 0
	var checker *access.Checker
	for _, f := range a.Files {
		if organization, ok := strings.CutPrefix(f.Name, "roles"); ok {
			more, err := access.ParseDefinitions(f.Name, f.Data)
			if organization != "" && err == nil {
				more, err = more.Of(strings.TrimPrefix(organization, " of "))
			}
			if err != nil {
				t.Fatal(err)
			}
			definitions = definitions.With(more)
			continue
		}
		if f.Name == "tree" {
			s.readTree(t, string(f.Data))
			continue
		}
		if f.Name == "checks" {
			c, err := access.Compile(definitions)
			if err != nil {
				t.Fatal(err)
			}
			checker = access.NewChecker(c)
		}
		for line := range strings.Lines(string(f.Data)) {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if f.Name == "checks" {
				checks++
				if err := s.check(checker, line); err != nil {
					t.Errorf("%s\n\t%v", line, err)
				}
				continue
			}
			if err := s.learn(f.Name, line); err != nil {
				t.Fatalf("%s: %q: %v", f.Name, line, err)
			}
		}
	}
	if checks == 0 {
		t.Fatal("the scenario checks nothing")
	}
}

var kinds = map[string]resource.Kind{
	"organization": resource.Organization, "cloud": resource.Cloud, "folder": resource.Folder, "serviceAccount": resource.ServiceAccount,
}

func (s *scenario) readTree(t *testing.T, text string) {
	t.Helper()
	var above []string
	for line := range strings.Lines(text) {
		kind, id, ok := strings.Cut(strings.TrimSpace(line), " ")
		if kind == "" {
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		what, own := kinds[kind]
		if !own {
			what = resource.Kind(kind)
		}
		if !ok || depth > len(above) {
			t.Fatalf("tree: %q", line)
		}
		above = above[:depth]
		parent, parentKind := "", resource.Kind("")
		if depth > 0 {
			parent = above[depth-1]
			parentKind = s.refs[parent].Kind
		}
		if err := resource.CheckParent(what, parentKind); own && err != nil {
			t.Fatal(err)
		}
		s.add(what, id, parent)
		if kind == "serviceAccount" {
			s.people[id] = iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}
		}
		above = append(above, id)
	}
}

func (s *scenario) learn(section, line string) error {
	line, off := strings.CutPrefix(line, "not ")
	head, rest, ok := strings.Cut(line, ": ")
	if !ok {
		return errors.New("a colon is missing")
	}
	words := strings.Fields(rest)
	switch section {
	case "people":
		s.people[head] = iam.Subject{ID: iam.SubjectID(head), Type: iam.SubjectType(rest)}
		if rest == string(iam.TypeAnonymous) {
			s.people[head] = iam.Subject{Type: iam.TypeAnonymous}
		}
	case "members":
		for _, m := range words {
			s.members[iam.SubjectID(m)] = append(s.members[iam.SubjectID(m)], iam.OrganizationUsers(head))
		}
	case "groups":
		for _, m := range words {
			s.groups[iam.SubjectID(m)] = append(s.groups[iam.SubjectID(m)], iam.SubjectID(head))
		}
	case "bindings":
		if len(words) != 3 || words[1] != "to" || s.refs[head].ID == "" {
			return errors.New("want: resource: role to subject")
		}
		change := s.bind
		if off {
			change = s.unbind
		}
		change(head, iam.SubjectID(words[2]), iam.RoleID(words[0]))
	case "policies":
		known := func(t access.Template) bool { return t.ID == rest }
		if s.refs[head].ID == "" || !slices.ContainsFunc(access.Templates(), known) {
			return errors.New("want: resource: template")
		}
		change := s.deny
		if off {
			change = s.allow
		}
		change(head, rest)
	default:
		return errors.New("unknown section")
	}
	return nil
}

func (s *scenario) check(c *access.Checker, line string) error {
	words := strings.Fields(line)
	policy := ""
	if len(words) == 6 && words[1] == "denies" {
		policy = words[0]
		words = []string{words[2], "may", "not", words[3], words[4], words[5]}
	}
	who, ok := s.people[words[0]]
	if !ok {
		return fmt.Errorf("nobody is called %s", words[0])
	}
	rest := strings.Join(words[1:], " ")
	if id, ok := strings.CutPrefix(rest, "finds no "); ok {
		if _, err := c.Check(s, who, "iam.serviceAccounts.get", id); !errors.Is(err, iam.NotFound) {
			return fmt.Errorf("got %v, want NOT_FOUND", err)
		}
		return nil
	}
	rest, ok = strings.CutPrefix(rest, "may ")
	if !ok {
		return errors.New("want: subject may|may not permission on resource")
	}
	rest, refused := strings.CutPrefix(rest, "not ")
	what, id, ok := strings.Cut(rest, " on ")
	if !ok {
		return errors.New("want: permission on resource")
	}
	d, err := c.Check(s, who, iam.Permission(what), id)
	if err != nil {
		return err
	}
	if d.Allowed == refused || d.DeniedBy.Template != policy {
		return fmt.Errorf("allowed: %v, by %+v, denied by %+v", d.Allowed, d.By, d.DeniedBy)
	}
	return nil
}
