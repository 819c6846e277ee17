package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader walks a YAML document itself instead of decoding it, so that every
// problem is found at once and has a line, and no decoder writes a value into a
// message.
type reader struct {
	path     string
	problems []string
}

// field takes the value of a key.
type field func(n *yaml.Node, name string)

func (r *reader) bad(n *yaml.Node, name, format string, args ...any) {
	where := fmt.Sprintf("%s:%d: ", r.path, n.Line)
	if name != "" {
		where += fmt.Sprintf("%q: ", name)
	}
	r.problems = append(r.problems, where+fmt.Sprintf(format, args...))
}

// document reads the one mapping that the text is.
func (r *reader) document(text []byte, fields map[string]field) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.problems = append(r.problems, r.path+": "+strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.problems = append(r.problems, r.path+": more than one document")
		return
	}
	r.fields(fields)(doc.Content[0], "")
}

// each calls to for every key of a mapping, once a key.
func (r *reader) each(n *yaml.Node, name string, to func(key, value *yaml.Node, name string)) {
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.bad(n, name, "must be a mapping, one `name: value` a line")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := key.Value
		if name != "" {
			path = name + "." + key.Value
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			r.bad(key, name, "a name must be a single text")
		case value.Kind == yaml.AliasNode || key.Tag == "!!merge":
			// One spelling a thing, and no document that grows while it is read.
			r.bad(key, path, "anchors are not taken here: write the value")
		case seen[key.Value]:
			r.bad(key, path, "given twice")
		default:
			seen[key.Value] = true
			to(key, value, path)
		}
	}
}

// fields is a mapping with known keys.
func (r *reader) fields(known map[string]field) field {
	return func(n *yaml.Node, name string) {
		r.each(n, name, func(key, value *yaml.Node, path string) {
			take, ok := known[key.Value]
			switch {
			case !ok:
				names := make([]string, 0, len(known))
				for k := range known {
					names = append(names, k)
				}
				slices.Sort(names)
				r.bad(key, path, "no such setting; there are %s", strings.Join(names, ", "))
			case value.Tag != "!!null":
				take(value, path)
			}
		})
	}
}

// scalar is a single value that set takes or finds wrong.
func (r *reader) scalar(set func(text string) error) field {
	return func(n *yaml.Node, name string) {
		if n.Kind != yaml.ScalarNode {
			r.bad(n, name, "must be a single value")
			return
		}
		if err := set(n.Value); err != nil {
			r.bad(n, name, "%v", err)
		}
	}
}

func (r *reader) text(to *string) field {
	return r.scalar(func(v string) error { *to = v; return nil })
}

func (r *reader) boolean(to *bool) field {
	return r.scalar(func(v string) (err error) {
		switch v {
		case "true":
			*to = true
		case "false":
			*to = false
		default:
			err = fmt.Errorf("%q is neither true nor false", v)
		}
		return err
	})
}

func (r *reader) number(to *int, least, most int) field {
	return r.scalar(func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is no number from %d to %d", v, least, most)
		}
		*to = n
		return nil
	})
}

func (r *reader) duration(to *time.Duration) field {
	return r.scalar(func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a duration such as 30s, 15m or 6h", v)
		}
		*to = d
		return nil
	})
}

func (r *reader) texts(to *[]string) field {
	return r.list(func(n *yaml.Node, name string) {
		r.scalar(func(v string) error { *to = append(*to, v); return nil })(n, name)
	})
}

// list is a sequence whose entries take reads.
func (r *reader) list(take field) field {
	return func(n *yaml.Node, name string) {
		if n.Kind != yaml.SequenceNode {
			r.bad(n, name, "must be a list")
			return
		}
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", name, i)
			if item.Kind == yaml.AliasNode {
				r.bad(item, at, "anchors are not taken here: write the value")
				continue
			}
			take(item, at)
		}
	}
}

// table is a mapping whose keys the owner chooses.
func (r *reader) table(to *map[string]string) field {
	return func(n *yaml.Node, name string) {
		*to = map[string]string{}
		r.each(n, name, func(key, value *yaml.Node, path string) {
			r.scalar(func(v string) error { (*to)[key.Value] = v; return nil })(value, path)
		})
	}
}
