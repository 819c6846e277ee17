package output

import (
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Column is one of a list's table: its title and the field that it shows, by
// the proto's name, with dots into what is nested. Cell, when not nil, says
// what stands there instead.
type Column struct {
	Title, Field string
	Cell         func(proto.Message) string
}

func (p *Printer) table(rows []proto.Message, columns []Column) error {
	cells := make([][]string, 0, len(rows)+1)
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.Title)
	}
	cells = append(cells, titles)
	for _, r := range rows {
		var line []string
		for _, c := range columns {
			line = append(line, Printable(c.of(r)))
		}
		cells = append(cells, line)
	}
	return p.Table(cells)
}

func (c Column) of(m proto.Message) string {
	if c.Cell != nil {
		return c.Cell(m)
	}
	return Field(m.ProtoReflect(), c.Field)
}

// Field is a field as a table shows it: times to the second, labels as
// key=value, lists with commas; "" for what is not set or not there.
func Field(m protoreflect.Message, path string) string {
	name, below, nested := strings.Cut(path, ".")
	field := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil || !m.Has(field) {
		return ""
	}
	value := m.Get(field)
	var all []string
	switch {
	case nested && field.Message() != nil && !field.IsList() && !field.IsMap():
		return Field(value.Message(), below)
	case field.IsMap():
		value.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			all = append(all, k.String()+"="+one(field.MapValue(), v))
			return true
		})
		slices.Sort(all)
	case field.IsList():
		for i := range value.List().Len() {
			all = append(all, one(field, value.List().Get(i)))
		}
	default:
		return one(field, value)
	}
	return strings.Join(all, ",")
}

func one(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.EnumKind:
		if e := field.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
	case protoreflect.MessageKind:
		if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			return When(t)
		}
	}
	return v.String()
}

// When is a time as a table shows it, in UTC.
func When(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.DateTime)
}

// Table draws cells with a frame; the first line is the titles, centred. What
// is wider than the terminal is drawn as blocks of lines instead.
func (p *Printer) Table(cells [][]string) error {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	whole := 1
	for _, w := range widths {
		whole += w + 3
	}
	if p.Columns > 0 && whole > p.Columns {
		return p.blocks(cells)
	}
	return draw(p.Out, cells, widths)
}

// blocks draws each row as lines of a title and a cell.
func (p *Printer) blocks(cells [][]string) error {
	var b strings.Builder
	for _, line := range cells[1:] {
		for i, c := range line {
			if c != "" {
				b.WriteString(cells[0][i] + ": " + c + "\n")
			}
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(p.Out, b.String())
	return err
}

func draw(w io.Writer, cells [][]string, widths []int) error {
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
