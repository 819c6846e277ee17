package cli

import (
	"context"
	"encoding/json"
	"flag"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/propusk/propusk/internal/cli/output"
)

// printed is a command that prints what the file of profiles holds: as it
// stands there, unless the command line asks for another form. That of a profile
// is for what servers answer.
func printed(of func(string, string, string, int, func(*session, []string) error) command, verb, takes, summary string, words int,
	read func(s *session, args []string) ([]byte, error)) command {
	var text []byte
	c := of(verb, takes, summary, words, func(s *session, args []string) (err error) {
		text, err = read(s, args)
		return err
	})
	inner := c.flags
	c.flags = func(f *flag.FlagSet) action {
		act := inner(f)
		return func(ctx context.Context, s *session, args []string) error {
			if s.format != "" {
				if err := output.CheckFormat(s.format); err != nil {
					return misuse("--format: %w", err)
				}
			}
			if s.filter != "" {
				if err := output.CheckFilter(s.filter); err != nil {
					return &Misuse{err}
				}
			}
			if err := act(ctx, s, args); err != nil {
				return err
			}
			if s.filter == "" && !strings.HasPrefix(s.format, "json") {
				return s.raw(text, nil)
			}
			data, err := asJSON(text)
			if err != nil {
				return err
			}
			return s.printer().JSON(ctx, data)
		}
	}
	return c
}

// asJSON is YAML as JSON, in which every value is a text.
func asJSON(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return []byte(`""`), nil // a property that is not there
	}
	if doc.Content[0].Kind == yaml.ScalarNode {
		return json.Marshal(strings.TrimSuffix(string(text), "\n"))
	}
	return json.Marshal(plainly(doc.Content[0]))
}

func plainly(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			all[n.Content[i].Value] = plainly(n.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		all := []any{}
		for _, c := range n.Content {
			all = append(all, plainly(c))
		}
		return all
	}
	return n.Value
}

// orEmpty has a profile without properties be one [API fact: the command line
// tool].
func orEmpty(text []byte, err error) ([]byte, error) {
	if err == nil && len(text) == 0 {
		text = []byte("{}\n")
	}
	return text, err
}
