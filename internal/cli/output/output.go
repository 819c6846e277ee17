// Package output owns how the command line prints what a server has answered:
// as text, YAML or JSON, as a table, or through a filter of jq. Whatever a
// server sends, nothing of it moves a terminal's cursor.
package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
)

// Formats are those that there are. json-rest has the names that the API's REST
// door uses, the others the proto's own.
var Formats = []string{"text", "yaml", "json", "json-rest"}

// CheckFormat refuses what is none of them.
func CheckFormat(format string) error {
	if !slices.Contains(Formats, format) {
		return fmt.Errorf("%q is none of %s", format, strings.Join(Formats, ", "))
	}
	return nil
}

// Printer prints to Out.
type Printer struct {
	Out     io.Writer
	Format  string // one of Formats
	Filter  string // of jq, when not ""
	Columns int    // of the terminal; 0 for none, so that nothing is too wide
}

// Message shows one message in the proto's JSON form, as JSON or as YAML; text
// is YAML without what is empty.
func (p *Printer) Message(ctx context.Context, m proto.Message) error {
	text, err := p.encode(m)
	if err != nil {
		return err
	}
	if p.Format == "text" && p.Filter == "" && string(text) == "{}" {
		return nil
	}
	return p.JSON(ctx, text)
}

// List shows messages: as an array, or in text as a table.
func (p *Printer) List(ctx context.Context, rows []proto.Message, columns []Column) error {
	if p.Format == "text" && p.Filter == "" && len(columns) > 0 {
		return p.table(rows, columns)
	}
	all := []json.RawMessage{}
	for _, r := range rows {
		text, err := p.encode(r)
		if err != nil {
			return err
		}
		all = append(all, text)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return p.JSON(ctx, text)
}

// JSON prints JSON in the format asked for, through the filter.
func (p *Printer) JSON(ctx context.Context, text []byte) error {
	if p.Filter != "" {
		return p.filter(ctx, text)
	}
	return p.write(text)
}

func (p *Printer) encode(m proto.Message) ([]byte, error) {
	text, err := Encode(m, p.Format != "json-rest")
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return text, nil
}

// Compact is JSON in one line.
func Compact(text []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return text
	}
	return b.Bytes()
}

// write prints JSON as JSON or as YAML, of which a program reads the same text.
func (p *Printer) write(text []byte) error {
	var b bytes.Buffer
	escape := jsonEscape
	if p.Format == "json" || p.Format == "json-rest" {
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
	_, err := io.WriteString(p.Out, escaped(b.String(), escape))
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

// EscapeJSON is JSON that spells out within its texts what is no printable
// character.
func EscapeJSON(text string) string { return escaped(text, jsonEscape) }

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

// Printable spells out what is no printable character, so that a name cannot
// move a terminal's cursor.
func Printable(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd") // a lone byte may begin a sequence too, on a terminal that is not of UTF-8
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
