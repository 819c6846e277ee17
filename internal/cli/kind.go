package cli

import (
	"flag"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// kindOf is what a flag takes, in a word or two for its help.
func kindOf(f *flag.Flag) string {
	if v, ok := f.Value.(interface{ kind() string }); ok {
		return v.kind()
	}
	switch name, _ := flag.UnquoteUsage(f); name {
	case "int", "uint", "float":
		return "number"
	case "duration":
		return "duration"
	}
	return "text"
}

func (l *labels) kind() string { return "key=value,…" }

func (v *value) kind() string {
	switch {
	case v.field.IsMap():
		return "key=value,…"
	case v.reads == aTimeAhead:
		return "time|duration"
	case v.field.IsList() && v.field.Enum() == nil:
		return "value,…"
	case v.field.Enum() != nil:
		return strings.Join(choices(v.field.Enum()), "|")
	}
	switch v.field.Kind() {
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		return "number"
	case protoreflect.MessageKind:
		switch v.field.Message().FullName() {
		case "google.protobuf.Timestamp":
			return "time"
		case "google.protobuf.Duration":
			return "duration"
		case "google.protobuf.FieldMask":
			return "field,…"
		}
	}
	return "text"
}

// examples is the part of a command's help that shows its use.
func (c command) examples(title string) string {
	if c.example == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("Example:\n")
	for line := range strings.SplitSeq(c.example, "\n") {
		b.WriteString("  " + title + " " + line + "\n")
	}
	return b.String() + "\n"
}

// like gives a command an example of its use: what follows its words.
func (n node) like(example string) node {
	run := *n.run
	run.example = example
	n.run = &run
	return n
}
