// Package profile owns what the command line keeps on a person's machine: the
// file of profiles, of the layout that people know (current, profiles), and the
// tokens kept from one command to the next. It knows no server.
package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Default is the profile that there is when none was ever made.
const Default = "default"

// most bounds a config file: what is larger is none.
const most = 1 << 20

// File is a config file as it was read. What it holds beside the known
// properties, its order and its comments stay as they are.
type File struct {
	path  string
	whole yaml.Node   // the document, with the comments around it
	doc   yaml.Node   // its mapping
	mode  fs.FileMode // 0 where the system has none
	open  fs.FileMode // of its folder, when others may write there
}

func newFile(path string) *File {
	return &File{path: path, whole: yaml.Node{Kind: yaml.DocumentNode}, doc: yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
}

// Read reads the file at path; one that is not there is empty. A symbolic link
// is followed; one that leads to nothing is refused, because it may lead to a
// disk that is not there yet. What is wrong with the file is told with its line,
// and never with what stands there, which may be a secret.
func Read(path string) (*File, error) {
	f := newFile(path)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isLink(path):
		return nil, fmt.Errorf("config file: %s is a symbolic link to nothing", path)
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("config file: %w", err)
	case !info.Mode().IsRegular(): // before it is opened, which would wait for a pipe's other end
		return nil, fmt.Errorf("config file: %s is no file", path)
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	defer in.Close()
	if runtime.GOOS != "windows" {
		f.mode = info.Mode().Perm()
		if folder, err := os.Stat(filepath.Dir(path)); err == nil && folder.Mode()&0o002 != 0 && folder.Mode()&fs.ModeSticky == 0 {
			f.open = folder.Mode().Perm()
		}
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	if err := f.parse(text); err != nil {
		return nil, fmt.Errorf("config file %s: %w", path, err)
	}
	return f, nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// Parse reads the text of a config file.
func Parse(text []byte) (*File, error) {
	f := newFile("")
	return f, f.parse(text)
}

func (f *File) parse(text []byte) error {
	if len(text) > most {
		return fmt.Errorf("larger than %d bytes", most)
	}
	if line := notUTF8(text); line > 0 {
		return fmt.Errorf("line %d: not UTF-8", line)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case err == io.EOF:
		f.whole.HeadComment = strings.TrimSpace(string(text)) // comments alone
		return nil
	case err != nil:
		return spoken(err)
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return fmt.Errorf("line %d: a second document", second.Line)
	case err != io.EOF:
		return spoken(err)
	}
	f.whole.HeadComment, f.whole.FootComment = doc.HeadComment, doc.FootComment
	root := doc.Content[0]
	if isNull(root) {
		return nil
	}
	if err := check(root, 0); err != nil {
		return err
	}
	if err := shaped(root); err != nil {
		return err
	}
	f.doc = *root
	return nil
}

// notUTF8 is the first line that is not UTF-8, 0 when all are.
func notUTF8(text []byte) int {
	if utf8.Valid(text) {
		return 0
	}
	n := 1
	for line := range bytes.Lines(text) {
		if !utf8.Valid(line) {
			return n
		}
		n++
	}
	return n
}

// shaped refuses what is no current beside profiles with properties.
func shaped(root *yaml.Node) error {
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: current and profiles are expected", root.Line)
	}
	if v := member(root, "current"); v != nil && v.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: current must be the name of a profile", v.Line)
	}
	all := member(root, "profiles")
	if all == nil || isNull(all) {
		return nil
	}
	if all.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: profiles must be names with properties", all.Line)
	}
	for i := 0; i+1 < len(all.Content); i += 2 {
		if p := all.Content[i+1]; p.Kind != yaml.MappingNode && !isNull(p) {
			return fmt.Errorf("line %d: profile %q must be properties with values", p.Line, all.Content[i].Value)
		}
	}
	return nil
}

// encode is the file's text, which must be one that can be read again.
func (f *File) encode() ([]byte, error) {
	whole := f.whole
	whole.Content = []*yaml.Node{&f.doc}
	text, err := encode(&whole)
	if err != nil {
		return nil, err
	}
	if err := newFile("").parse(text); err != nil {
		return nil, fmt.Errorf("it could not be read again: %w", err)
	}
	return text, nil
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

// spoken is what the YAML reader complains of, without the text it read, and
// with the line where a person looks for it: the reader counts that from 0 where
// it is the grammar that is broken, and leaves it out where it is the first.
func spoken(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line, n := "", 0
	if _, serr := fmt.Sscanf(text, "line %d:", &n); serr == nil {
		line, text, _ = strings.Cut(text, ": ")
	}
	grammar := false
	for _, what := range [...]string{"document start>", "',' or ']'", "',' or '}'", "'-' indicator", "key", "node content"} {
		grammar = grammar || strings.HasPrefix(text, "did not find expected ") && strings.HasSuffix(text, what)
	}
	if line == "" || grammar {
		n++
	}
	if i := strings.IndexAny(text, "`'\""); i >= 0 && !grammar {
		text = strings.TrimRight(text[:i], " :")
	}
	return fmt.Errorf("broken YAML: line %d: %s", n, text)
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
