package access_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// TestScenarios plays the files of testdata. Each holds these sections:
//
//	tree      one resource a line, below the one it is indented under
//	people    alice: userAccount
//	members   organization: subjects that belong to it
//	groups    group: its members
//	roles     a roles file whose roles join the built-in ones (may be left out)
//	bindings  resource: role to subject
//	checks    subject may|may not permission on resource
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
	builtin, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	roles := builtin.Roles()
	s := &scenario{world: newWorld(), people: map[string]iam.Subject{}}
	checks := 0
	var checker *access.Checker
	for _, f := range a.Files {
		if f.Name == "roles" {
			more, err := access.ParseRoles(f.Data)
			if err != nil {
				t.Fatal(err)
			}
			roles = append(roles[:len(roles):len(roles)], more...)
			continue
		}
		if f.Name == "tree" {
			s.readTree(t, string(f.Data))
			continue
		}
		if f.Name == "checks" {
			c, err := access.NewCatalogue(roles)
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
		if !ok || kinds[kind] == "" || depth > len(above) {
			t.Fatalf("tree: %q", line)
		}
		above = above[:depth]
		parent, parentKind := "", resource.Kind("")
		if depth > 0 {
			parent = above[depth-1]
			parentKind = s.refs[parent].Kind
		}
		if err := resource.CheckParent(kinds[kind], parentKind); err != nil {
			t.Fatal(err)
		}
		s.add(kinds[kind], id, parent)
		if kind == "serviceAccount" {
			s.people[id] = iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}
		}
		above = append(above, id)
	}
}

func (s *scenario) learn(section, line string) error {
	head, rest, ok := strings.Cut(line, ": ")
	if !ok {
		return errors.New("a colon is missing")
	}
	words := strings.Fields(rest)
	switch section {
	case "people":
		s.people[head] = iam.Subject{ID: iam.SubjectID(head), Type: iam.SubjectType(rest)}
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
		s.bind(head, iam.SubjectID(words[2]), iam.RoleID(words[0]))
	default:
		return errors.New("unknown section")
	}
	return nil
}

func (s *scenario) check(c *access.Checker, line string) error {
	words := strings.Fields(line)
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
	if d.Allowed == refused {
		return fmt.Errorf("allowed: %v, by %+v", d.Allowed, d.By)
	}
	return nil
}
