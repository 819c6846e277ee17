package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// MaxFile bounds a file of definitions, in bytes.
const MaxFile = 768 << 10

// A file of definitions, as it is written.
type definitionFile struct {
	Roles         []fileRole  `yaml:"roles,omitempty"`
	Scopes        []fileScope `yaml:"scopes,omitempty"`
	ResourceTypes []fileType  `yaml:"resourceTypes,omitempty"`
}

type fileRole struct {
	ID          iam.RoleID       `yaml:"id" json:"id"`
	Description string           `yaml:"description" json:"description"`
	Includes    []iam.RoleID     `yaml:"includes,omitempty" json:"includes,omitempty"`
	Permissions []iam.Permission `yaml:"permissions,omitempty" json:"permissions,omitempty"`
}

type fileScope struct {
	ID          string           `yaml:"id" json:"id"`
	Description string           `yaml:"description" json:"description"`
	Permissions []iam.Permission `yaml:"permissions,omitempty" json:"permissions,omitempty"`
}

type fileType struct {
	Type        resource.Kind   `yaml:"type" json:"type"`
	Description string          `yaml:"description" json:"description"`
	Parents     []resource.Kind `yaml:"parents,omitempty" json:"parents,omitempty"`
	Anonymous   bool            `yaml:"anonymous,omitempty" json:"anonymous,omitempty"`
}

func asFileRole(r iam.Role) fileRole { return fileRole{r.ID, r.Description, r.Includes, r.Permissions} }

// ParseDefinitions reads a file of definitions: one YAML document (JSON is one
// too) with the lists "roles", "scopes" and "resourceTypes", each of which may
// be missing. Unknown keys, anchors, a second document and words that break
// their grammar are refused, all problems in one INVALID_ARGUMENT with their
// places: name is what the file is called in them. Whether what is included
// exists is asked by Compile, which may join several files.
func ParseDefinitions(name string, file []byte) (Definitions, error) {
	r := &fileReader{name: name, out: Definitions{places: map[string]string{}}}
	if len(file) > MaxFile {
		return Definitions{}, iam.Errorf(iam.InvalidArgument, "%s: larger than %d bytes", name, MaxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(file))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return Definitions{}, iam.Errorf(iam.InvalidArgument, "%s: the file is empty", name)
	} else if err != nil {
		return Definitions{}, iam.Errorf(iam.InvalidArgument, "%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Definitions{}, iam.Errorf(iam.InvalidArgument, "%s: one document is expected, there are more", name)
	}
	r.fields(doc.Content[0], "", nil, map[string]func(*yaml.Node, string){
		"roles":         func(n *yaml.Node, at string) { r.each(n, at, r.role) },
		"scopes":        func(n *yaml.Node, at string) { r.each(n, at, r.scope) },
		"resourceTypes": func(n *yaml.Node, at string) { r.each(n, at, r.resourceType) },
	})
	if len(r.problems) > 0 {
		return Definitions{}, iam.Errorf(iam.InvalidArgument, "%s", strings.Join(r.problems, "\n"))
	}
	return r.out, nil
}

// Format writes definitions as a file that ParseDefinitions reads. Whose a
// role is does not stand in it.
func (d Definitions) Format() ([]byte, error) {
	var f definitionFile
	for _, r := range d.Roles {
		f.Roles = append(f.Roles, asFileRole(r))
	}
	for _, s := range d.Scopes {
		f.Scopes = append(f.Scopes, fileScope(s))
	}
	for _, t := range d.ResourceTypes {
		f.ResourceTypes = append(f.ResourceTypes, fileType(t))
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := errors.Join(enc.Encode(f), enc.Close())
	return b.Bytes(), err
}

// fileReader walks the document itself instead of having it decoded: every
// problem then has its line and its field.
type fileReader struct {
	name     string
	out      Definitions
	problems []string
}

// mostProblems bounds what is said about one file.
const mostProblems = 20

func (r *fileReader) bad(n *yaml.Node, at, format string, args ...any) {
	if len(r.problems) < mostProblems {
		if at != "" {
			at += ": "
		}
		r.problems = append(r.problems, fmt.Sprintf("%s:%d: %s%s", r.name, n.Line, at, fmt.Sprintf(format, args...)))
	}
}

// fields hands the values of a mapping to their readers.
func (r *fileReader) fields(n *yaml.Node, at string, required []string, readers map[string]func(*yaml.Node, string)) {
	if n.Kind != yaml.MappingNode {
		r.bad(n, at, "a mapping is expected")
		return
	}
	prefix, seen := at, map[string]bool{}
	if prefix != "" {
		prefix += "."
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, known := readers[key.Value]
		switch {
		case !known || key.Kind != yaml.ScalarNode:
			r.bad(key, at, "the key %q is not known here", key.Value)
		case seen[key.Value]:
			r.bad(key, at, "the key %s is there twice", key.Value)
		default:
			read(value, prefix+key.Value)
		}
		seen[key.Value] = true
	}
	for _, key := range required {
		if !seen[key] {
			r.bad(n, at, "%s is missing", key)
		}
	}
}

// each hands the items of a list to a reader; a key without a value is an
// empty list.
func (r *fileReader) each(n *yaml.Node, at string, item func(n *yaml.Node, at string)) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.bad(n, at, "a list is expected")
		return
	}
	for i, one := range n.Content {
		item(one, fmt.Sprintf("%s[%d]", at, i))
	}
}

func (r *fileReader) text(n *yaml.Node, at string, check func(string) string) string {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		r.bad(n, at, "a text is expected")
		return ""
	}
	if problem := check(n.Value); problem != "" {
		r.bad(n, at, "%s", problem)
	}
	return n.Value
}

func (r *fileReader) flag(n *yaml.Node, at string) bool {
	if n.Kind != yaml.ScalarNode || (n.Value != "true" && n.Value != "false") {
		r.bad(n, at, "true or false is expected")
	}
	return n.Value == "true"
}

// texts reads a list of words, none of them twice.
func texts[T ~string](r *fileReader, n *yaml.Node, at string, check func(string) string) (all []T) {
	seen := map[string]bool{}
	r.each(n, at, func(n *yaml.Node, at string) {
		word := r.text(n, at, check)
		if seen[word] && word != "" {
			r.bad(n, at, "%s is there twice", word)
		}
		seen[word] = true
		all = append(all, T(word))
	})
	return all
}

// place remembers where a definition stands, for what is found out later.
func (r *fileReader) place(n *yaml.Node, kind, id string) {
	key := kind + " " + id
	if first, twice := r.out.places[key]; twice && id != "" {
		r.bad(n, "", "%s: defined already in %s", key, first)
		return
	}
	r.out.places[key] = fmt.Sprintf("%s:%d", r.name, n.Line)
}

func (r *fileReader) role(n *yaml.Node, at string) {
	var role iam.Role
	r.fields(n, at, []string{"id", "description"}, map[string]func(*yaml.Node, string){
		"id":          func(n *yaml.Node, at string) { role.ID = iam.RoleID(r.text(n, at, checkRoleID)) },
		"description": func(n *yaml.Node, at string) { role.Description = r.text(n, at, checkDescription) },
		"includes":    func(n *yaml.Node, at string) { role.Includes = texts[iam.RoleID](r, n, at, checkRoleID) },
		"permissions": func(n *yaml.Node, at string) { role.Permissions = texts[iam.Permission](r, n, at, checkPermission) },
	})
	r.place(n, "role", string(role.ID))
	r.out.Roles = append(r.out.Roles, role)
}

func (r *fileReader) scope(n *yaml.Node, at string) {
	var s Scope
	r.fields(n, at, []string{"id", "description"}, map[string]func(*yaml.Node, string){
		"id":          func(n *yaml.Node, at string) { s.ID = r.text(n, at, checkScopeID) },
		"description": func(n *yaml.Node, at string) { s.Description = r.text(n, at, checkDescription) },
		"permissions": func(n *yaml.Node, at string) { s.Permissions = texts[iam.Permission](r, n, at, checkPermission) },
	})
	r.place(n, "scope", s.ID)
	r.out.Scopes = append(r.out.Scopes, s)
}

func (r *fileReader) resourceType(n *yaml.Node, at string) {
	var t ResourceType
	r.fields(n, at, []string{"type", "description"}, map[string]func(*yaml.Node, string){
		"type":        func(n *yaml.Node, at string) { t.Type = resource.Kind(r.text(n, at, checkResourceType)) },
		"description": func(n *yaml.Node, at string) { t.Description = r.text(n, at, checkDescription) },
		"parents":     func(n *yaml.Node, at string) { t.Parents = texts[resource.Kind](r, n, at, checkResourceType) },
		"anonymous":   func(n *yaml.Node, at string) { t.Anonymous = r.flag(n, at) },
	})
	r.place(n, "resource type", string(t.Type))
	r.out.ResourceTypes = append(r.out.ResourceTypes, t)
}
