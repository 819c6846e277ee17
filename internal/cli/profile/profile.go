// Package profile owns what the command line keeps on a person's machine: the
// file of profiles, of the layout that people know (current, profiles), and the
// tokens kept from one command to the next. It knows no server.
package profile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Default is the profile that there is when none was ever made.
const Default = "default"

// most bounds a config file: what is larger is none.
const most = 1 << 20

// ErrNoHome is that nobody says where the person's files are.
var ErrNoHome = errors.New("there is no home folder to keep profiles in: set HOME, or name a file by --config")

// Path is where the config file is: ~/.config/propusk/config.yaml, or under
// $XDG_CONFIG_HOME. variable reads the environment.
func Path(variable func(string) string) (string, error) {
	base := variable("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) { // the XDG specification: relative ones are ignored
		home := variable("HOME")
		if home == "" && runtime.GOOS == "windows" {
			home = variable("USERPROFILE")
		}
		if home == "" {
			return "", ErrNoHome
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "propusk", "config.yaml"), nil
}

// File is a config file as it was read. What it holds beside the known
// properties, its order and its comments stay as they are.
type File struct {
	path string
	doc  yaml.Node // a mapping
	mode fs.FileMode
}

// Read reads the file at path; one that is not there is empty. What is wrong
// with it is told with its line, and never with what stands there, which may be
// a secret.
func Read(path string) (*File, error) {
	f := &File{path: path, doc: yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("config file: %s is no file", path)
	}
	f.mode = info.Mode().Perm()
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	if err := f.parse(text); err != nil {
		return nil, fmt.Errorf("config file %s: %w", path, err)
	}
	return f, nil
}

// Parse reads the text of a config file.
func Parse(text []byte) (*File, error) {
	f := &File{doc: yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
	return f, f.parse(text)
}

func (f *File) parse(text []byte) error {
	if len(text) > most {
		return fmt.Errorf("larger than %d bytes", most)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return spoken(err)
	}
	if doc.Kind == 0 || len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil
	}
	root := doc.Content[0]
	if err := check(root, 0); err != nil {
		return err
	}
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: current and profiles are expected", root.Line)
	}
	if v := member(root, "current"); v != nil && v.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: current must be the name of a profile", v.Line)
	}
	all := member(root, "profiles")
	if all != nil && !isNull(all) && all.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: profiles must be names with properties", all.Line)
	}
	if all != nil {
		for i := 0; i+1 < len(all.Content); i += 2 {
			if p := all.Content[i+1]; p.Kind != yaml.MappingNode && !isNull(p) {
				return fmt.Errorf("line %d: profile %q must be properties with values", p.Line, all.Content[i].Value)
			}
		}
	}
	f.doc = *root
	return nil
}

const deepest = 32

// check refuses what no program should have to follow: aliases, names given
// twice, and what lies too deep.
func check(n *yaml.Node, depth int) error {
	switch {
	case depth > deepest:
		return fmt.Errorf("line %d: too deep", n.Line)
	case n.Kind == yaml.AliasNode:
		return fmt.Errorf("line %d: aliases (*name) are not read", n.Line)
	case n.Kind == yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: a name must be a text", n.Content[i].Line)
			}
			if name := n.Content[i].Value; seen[name] {
				return fmt.Errorf("line %d: given twice", n.Content[i].Line)
			}
			seen[n.Content[i].Value] = true
		}
	}
	for _, c := range n.Content {
		if err := check(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// spoken is what the YAML reader complains of, without the text it read.
func spoken(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if i := strings.IndexAny(text, "`'\""); i >= 0 {
		text = strings.TrimRight(text[:i], " :")
	}
	return errors.New("broken YAML: " + text)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func member(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// Current is the active profile's name.
func (f *File) Current() string {
	if v := member(&f.doc, "current"); v != nil && v.Value != "" && !isNull(v) {
		return v.Value
	}
	return Default
}

// Names lists the profiles, sorted.
func (f *File) Names() []string {
	var out []string
	if all := member(&f.doc, "profiles"); all != nil {
		for i := 0; i+1 < len(all.Content); i += 2 {
			out = append(out, all.Content[i].Value)
		}
	}
	slices.Sort(out)
	return out
}

// Has tells whether there is a profile of that name.
func (f *File) Has(name string) bool { return member(member(&f.doc, "profiles"), name) != nil }

// Get reads a property of a profile: "" when it has none, or when it is no text.
func (f *File) Get(name, property string) string {
	v := f.node(name, property)
	if v == nil || v.Kind != yaml.ScalarNode || isNull(v) {
		return ""
	}
	return v.Value
}

// Map reads a property that is names with texts, such as service-account-key;
// nil when there is none.
func (f *File) Map(name, property string) map[string]string {
	v := f.node(name, property)
	if v == nil || v.Kind != yaml.MappingNode {
		return nil
	}
	out := map[string]string{}
	for i := 0; i+1 < len(v.Content); i += 2 {
		out[v.Content[i].Value] = v.Content[i+1].Value
	}
	return out
}

// node follows a property's dots.
func (f *File) node(name, property string) *yaml.Node {
	n := member(member(&f.doc, "profiles"), name)
	for part := range strings.SplitSeq(property, ".") {
		n = member(n, part)
	}
	return n
}

// Warning says what is to be told of the file's mode: "" when nobody but its
// owner may read it, or it holds no credential.
func (f *File) Warning() string {
	if runtime.GOOS == "windows" || f.mode&0o077 == 0 {
		return ""
	}
	for _, p := range f.Names() {
		if f.node(p, "token") != nil || f.node(p, "service-account-key") != nil {
			return fmt.Sprintf("others on this machine may get at the credentials in %s (its mode is %04o): chmod 600 %[1]s", f.path, f.mode)
		}
	}
	return ""
}
