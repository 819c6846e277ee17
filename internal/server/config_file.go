package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds the file, so that a wrong path (a device, a database)
// is an error and not an empty memory.
const maxConfigFile = 1 << 20

func (l *loading) readFile(path string) {
	f, err := os.Open(path)
	if err != nil {
		l.problems = append(l.problems, "config file: "+err.Error())
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		l.problems = append(l.problems, "config file: "+err.Error())
		return
	}
	if len(text) > maxConfigFile {
		l.problems = append(l.problems, fmt.Sprintf("config file %s: larger than %d bytes", path, maxConfigFile))
		return
	}
	l.readYAML(path, text)
}

// readYAML walks the document itself instead of decoding it into the Config:
// every problem then has a line, and a value never shows up in a message that
// a decoder wrote.
func (l *loading) readYAML(path string, text []byte) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			l.problems = append(l.problems, path+": "+strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.problems = append(l.problems, path+": more than one document")
		return
	}
	root := deref(doc.Content[0])
	if root.Tag == "!!null" {
		return
	}
	l.mapping(path, root, "")
}

func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// mapping reads one level of settings; in is the section's path, "" at the top.
func (l *loading) mapping(path string, n *yaml.Node, in string) {
	if n.Kind != yaml.MappingNode {
		l.bad(path, n, in, "must hold settings, one `name: value` a line")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], deref(n.Content[i+1])
		name := key.Value
		if in != "" {
			name = in + "." + name
		}
		if seen[name] {
			l.bad(path, key, name, "given twice")
			continue
		}
		seen[name] = true
		l.entry(path, key, value, name)
	}
}

func (l *loading) entry(path string, key, value *yaml.Node, name string) {
	for _, s := range l.settings {
		if s.path == name {
			if value.Tag != "!!null" {
				l.leaf(path, s, value)
			}
			return
		}
	}
	for _, s := range l.settings {
		if strings.HasPrefix(s.path, name+".") && key.Kind == yaml.ScalarNode {
			if value.Tag != "!!null" {
				l.mapping(path, value, name)
			}
			return
		}
	}
	l.bad(path, key, name, "no such setting"+l.suggest(strings.ReplaceAll(name, ".", "-"), pathForm))
}

func (l *loading) leaf(path string, s setting, n *yaml.Node) {
	from := fmt.Sprintf("%s:%d: %s", path, n.Line, s.path)
	_, isList := s.value.Interface().([]string)
	_, isMap := s.value.Interface().(map[string]string)
	var entryNeeds string // of a list of mappings
	switch s.value.Interface().(type) {
	case []AccessCaller:
		entryNeeds = "name, certificate or service-account, and types"
	case []LeakSource:
		entryNeeds = "id and service-account"
	case []Registry:
		entryNeeds = "service, and perhaps resource and keys"
	case []SignInProvider:
		entryNeeds = "id, title, client-id and issuer or endpoints"
	}
	switch {
	case entryNeeds != "" && n.Kind == yaml.SequenceNode:
		l.entries(path, s, n, entryNeeds)
	case isMap && n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], deref(n.Content[i+1])
			if k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode {
				l.bad(path, k, s.path, "an entry must be `id: address`")
				continue
			}
			l.put(s, k.Value+"="+v.Value, fromFile, from)
		}
	case isList && n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			item = deref(item)
			if item.Kind != yaml.ScalarNode {
				l.bad(path, item, s.path, "an entry must be a single text")
				continue
			}
			l.put(s, item.Value, fromFile, from)
		}
	case isMap:
		l.bad(path, n, s.path, "must be a mapping of ids to addresses")
	case n.Kind != yaml.ScalarNode && (isList || entryNeeds != ""):
		l.bad(path, n, s.path, "must be a list")
	case n.Kind != yaml.ScalarNode:
		l.bad(path, n, s.path, "must be a single value")
	default:
		l.put(s, n.Value, fromFile, from)
	}
}

func (l *loading) bad(path string, n *yaml.Node, name, problem string) {
	where := fmt.Sprintf("%s:%d: ", path, n.Line)
	if name != "" {
		where += fmt.Sprintf("%q: ", name)
	}
	l.problems = append(l.problems, where+problem)
}
