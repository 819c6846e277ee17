package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// print shows one message: in the proto's JSON form with the proto's own names,
// as JSON or as YAML; text is YAML without what is empty.
func (s *session) print(m proto.Message) error {
	text, err := encode(m)
	if err != nil {
		return err
	}
	if s.format == "text" && string(text) == "{}" {
		return nil
	}
	return s.write(text)
}

// column is one of a list's table.
type column[T any] struct {
	title string
	cell  func(T) string
}

// printList shows a list: as an array, or in text as a table.
func printList[T proto.Message](s *session, rows []T, columns []column[T]) error {
	if s.format == "text" {
		cells := make([][]string, 0, len(rows)+1)
		var titles []string
		for _, c := range columns {
			titles = append(titles, c.title)
		}
		cells = append(cells, titles)
		for _, r := range rows {
			var line []string
			for _, c := range columns {
				line = append(line, printable(c.cell(r)))
			}
			cells = append(cells, line)
		}
		return table(s.env.Stdout, cells)
	}
	all := []json.RawMessage{}
	for _, r := range rows {
		text, err := encode(r)
		if err != nil {
			return err
		}
		all = append(all, text)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return s.write(text)
}

// encode gives one spelling of a message: protojson's own spaces differ from
// one build to the next.
func encode(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return compact(text), nil
}

func compact(text []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return text
	}
	return b.Bytes()
}

// write prints JSON as JSON or as YAML. Whatever the server has sent, nothing of
// it moves a terminal's cursor, and a program still reads the same text.
func (s *session) write(text []byte) error {
	var b bytes.Buffer
	escape := jsonEscape
	if s.format == "json" {
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return err
		}
		b.WriteByte('\n')
	} else {
		escape = yamlEscape
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(escaped(string(text), escape)), &doc); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		plain(&doc)
		e := yaml.NewEncoder(&b)
		e.SetIndent(2)
		if err := errors.Join(e.Encode(&doc), e.Close()); err != nil {
			return err
		}
	}
	_, err := io.WriteString(s.env.Stdout, escaped(b.String(), escape))
	return err
}

// escaped spells out what is no printable character; all of it is within quotes.
func escaped(text string, escape func(rune) string) string {
	if strings.IndexFunc(text, unseen) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unseen(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// jsonEscape is RFC 8259 section 7: two escapes beyond the basic plane.
func jsonEscape(r rune) (text string) {
	for _, u := range utf16.Encode([]rune{r}) {
		text += fmt.Sprintf(`\u%04x`, u)
	}
	return text
}

// yamlEscape is YAML 1.2 section 5.7, which has one escape there.
func yamlEscape(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func unseen(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// plain takes away the style that JSON has in YAML, but for the quotes around
// what any reader of YAML might take for something else than a text, and around
// what has to be spelled out.
func plain(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		if text, err := yaml.Marshal(n.Value); err != nil || len(text) == 0 || text[0] == '"' || text[0] == '\'' ||
			strings.IndexFunc(n.Value, unseen) >= 0 {
			n.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, c := range n.Content {
		plain(c)
	}
}

// table draws cells with a frame; the first line is the titles, centred.
func table(w io.Writer, cells [][]string) error {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	rule := func() {
		for _, width := range widths {
			b.WriteString("+" + strings.Repeat("-", width+2))
		}
		b.WriteString("+\n")
	}
	rule()
	for n, line := range cells {
		for i, c := range line {
			pad := widths[i] - utf8.RuneCountInString(c)
			left := 0
			if n == 0 {
				left = pad / 2
			}
			b.WriteString("| " + strings.Repeat(" ", left) + c + strings.Repeat(" ", pad-left) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			rule()
		}
	}
	if len(cells) > 1 {
		rule()
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format("2006-01-02 15:04:05")
}
