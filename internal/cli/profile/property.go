package profile

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/propusk/propusk/internal/keyfile"
)

// Properties are those that a profile may be given [API fact: the tool's core
// properties], and ca-file and keyring, which are ours.
var Properties = []string{
	"ca-file", "cloud-id", "compute-default-zone", "endpoint", "federation-endpoint", "federation-id", "folder-id", "folder-name", "format",
	"instance-service-account", "keyring", "organization-id", "service-account-key", "token",
}

// excluded says which properties one takes away when it is set.
var excluded = map[string][]string{
	"token":                    {"service-account-key", "instance-service-account", "federation-id"},
	"service-account-key":      {"token", "instance-service-account", "federation-id"},
	"instance-service-account": {"token", "service-account-key", "federation-id"},
	"federation-id":            {"token", "service-account-key", "instance-service-account"},
	"folder-id":                {"folder-name"},
	"folder-name":              {"folder-id"},
}

// legalService matches services.<service>.version. A pattern is compiled when
// it is needed: this package is in a server's program too.
const legalService, legalProfile = `^services\.[a-z][-a-z0-9]*\.version$`, `^[a-z][-a-z0-9]{0,62}$`

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// CheckProperty refuses a property that there is not.
func CheckProperty(property string) error {
	if slices.Contains(Properties, property) || matches(legalService, property) {
		return nil
	}
	return fmt.Errorf("there is no property %q; there are %s and services.<service>.version", property, strings.Join(Properties, ", "))
}

// CheckName refuses what is no name of a profile.
func CheckName(name string) error {
	if !matches(legalProfile, name) {
		return fmt.Errorf("%q is no name of a profile: up to 63 lower-case letters, digits and hyphens, a letter first", name)
	}
	return nil
}

// CheckEndpoint refuses what is not host:port.
func CheckEndpoint(text string) error {
	host, port, err := net.SplitHostPort(text)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || host == "" || n < 1 || n > 65535 || strings.ContainsAny(host, " /@") {
		return fmt.Errorf("%q is not host:port", text)
	}
	return nil
}

// Set gives a profile a property, and takes from it those that this one
// excludes. service-account-key is the path of a key file, whose content is
// kept; a relative ca-file becomes absolute; the rest is kept as it is.
func (f *File) Set(name, property, value string) error {
	if err := CheckProperty(property); err != nil {
		return err
	}
	if strings.ContainsAny(value, "\x00\n\r") {
		return fmt.Errorf("%s: more than one line", property)
	}
	if !utf8.ValidString(value) { // YAML would keep it as something else
		return fmt.Errorf("%s: not UTF-8", property)
	}
	v := text(value)
	switch property {
	case "service-account-key":
		key, err := keyfile.Read(value)
		if err != nil {
			return err
		}
		f.SetKey(name, key)
		return nil
	case "instance-service-account":
		if value != "true" && value != "false" {
			return errors.New("instance-service-account: true or false")
		}
		v = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: value}
	case "format":
		if !slices.Contains([]string{"text", "yaml", "json", "json-rest"}, value) {
			return errors.New("format: text, yaml, json or json-rest")
		}
	case "endpoint":
		if err := CheckEndpoint(value); err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
	case "keyring":
		if !slices.Contains([]string{KeyringAuto, KeyringOn, KeyringOff}, value) {
			return errors.New("keyring: auto, on or off")
		}
	case "ca-file":
		full, err := filepath.Abs(value) // the next command runs elsewhere
		if err == nil {
			_, err = os.Stat(full)
		}
		if err != nil {
			return fmt.Errorf("ca-file: %w", err)
		}
		v = text(full)
	}
	f.put(name, property, v)
	return nil
}

// SetKey gives a profile an authorized key.
func (f *File) SetKey(name string, key *keyfile.File) {
	f.put(name, "service-account-key", keyNode(key))
}

// put gives a profile a property and takes away what it excludes.
func (f *File) put(name, property string, v *yaml.Node) {
	p := f.make(name)
	for _, other := range excluded[property] {
		remove(p, other)
	}
	put(p, strings.Split(property, "."), v)
}

// Unset takes a property away; one that is not there is no error.
func (f *File) Unset(name, property string) error {
	if err := CheckProperty(property); err != nil && f.node(name, property) == nil {
		return err
	}
	n := member(member(&f.doc, "profiles"), name)
	parts := strings.Split(property, ".")
	for _, part := range parts[:len(parts)-1] {
		n = member(n, part)
	}
	remove(n, parts[len(parts)-1])
	return nil
}

// Create makes a profile and activates it.
func (f *File) Create(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if f.Has(name) {
		return fmt.Errorf("profile %q is there already", name)
	}
	f.make(name)
	put(&f.doc, []string{"current"}, text(name))
	return nil
}

// Activate makes a profile the current one.
func (f *File) Activate(name string) error {
	if !f.Has(name) {
		return missing(name)
	}
	put(&f.doc, []string{"current"}, text(name))
	return nil
}

// Delete removes a profile that is not the active one.
func (f *File) Delete(name string) error {
	switch {
	case !f.Has(name):
		return missing(name)
	case f.Current() == name:
		return fmt.Errorf("profile %q is the active one: activate another first", name)
	}
	remove(member(&f.doc, "profiles"), name)
	return nil
}

func missing(name string) error { return fmt.Errorf("there is no profile %q", name) }

// make returns a profile's properties; a first one becomes the current.
func (f *File) make(name string) *yaml.Node {
	all := member(&f.doc, "profiles")
	if all == nil || isNull(all) {
		if member(&f.doc, "current") == nil {
			put(&f.doc, []string{"current"}, text(name))
		}
		all = put(&f.doc, []string{"profiles"}, mapping())
	}
	p := member(all, name)
	if p == nil || isNull(p) {
		p = put(all, []string{name}, mapping())
	}
	all.Style, p.Style = 0, 0
	return p
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

// text is a text, whatever YAML would take it for.
func text(value string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(value)
	return n
}

func keyNode(f *keyfile.File) *yaml.Node {
	n := mapping()
	var fields yaml.Node
	if yaml.Unmarshal(f.Encode(), &fields) == nil && len(fields.Content) == 1 { // JSON is YAML
		for _, c := range fields.Content[0].Content {
			n.Content = append(n.Content, text(c.Value))
		}
	}
	return n
}

// put gives a mapping a value under a path of names.
func put(n *yaml.Node, path []string, value *yaml.Node) *yaml.Node {
	for _, part := range path[:len(path)-1] {
		below := member(n, part)
		if below == nil || below.Kind != yaml.MappingNode {
			below = put(n, []string{part}, mapping())
		}
		n = below
	}
	last := path[len(path)-1]
	if old := member(n, last); old != nil {
		value.LineComment = old.LineComment
		*old = *value
		return old
	}
	n.Style = 0
	n.Content = append(n.Content, text(last), value)
	return value
}

func remove(n *yaml.Node, name string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

const hidden = "*** hidden ***"

// List is a profile as YAML for a person's eyes: a token is abbreviated and a
// private key left out.
func (f *File) List(name string) ([]byte, error) {
	if !f.Has(name) {
		if name == Default {
			return nil, nil
		}
		return nil, missing(name)
	}
	p := clone(member(member(&f.doc, "profiles"), name))
	if isNull(p) || len(p.Content) == 0 {
		return nil, nil
	}
	if v := member(p, "token"); v != nil {
		*v = *text(Abbreviated(v.Value))
	}
	if v := member(member(p, "service-account-key"), "private_key"); v != nil {
		*v = *text(hidden)
	}
	return encode(p)
}

// Value is a property as it is kept, whole, for scripts; nil when there is none.
func (f *File) Value(name, property string) ([]byte, error) {
	v := f.node(name, property)
	if v == nil || isNull(v) {
		return nil, nil
	}
	if v.Kind == yaml.ScalarNode {
		return []byte(v.Value + "\n"), nil
	}
	return encode(v)
}

// Abbreviated is as much of a token as may be shown.
func Abbreviated(token string) string {
	if len(token) < 40 {
		return hidden
	}
	return token[:8] + "..." + token[len(token)-4:]
}

func clone(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	for _, c := range n.Content {
		out.Content = append(out.Content, clone(c))
	}
	return &out
}
