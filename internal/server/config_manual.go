package server

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// manual maps a setting's field ("MasterKey.File") to its comment.
var manual = sync.OnceValue(func() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", configSource, parser.ParseComments)
	if err != nil {
		panic("server: " + err.Error()) // the compiler has read this very file
	}
	structs := map[string]*ast.StructType{}
	ast.Inspect(file, func(n ast.Node) bool {
		if t, ok := n.(*ast.TypeSpec); ok {
			if s, ok := t.Type.(*ast.StructType); ok {
				structs[t.Name.Name] = s
			}
		}
		return true
	})
	doc := map[string]string{}
	readManual(doc, structs, "Config", "")
	return doc
})

func readManual(doc map[string]string, structs map[string]*ast.StructType, of, prefix string) {
	for _, f := range structs[of].Fields.List {
		name := f.Names[0].Name
		doc[prefix+name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		if t, ok := f.Type.(*ast.Ident); ok && structs[t.Name] != nil {
			readManual(doc, structs, t.Name, prefix+name+".")
		}
	}
}

// describe is the comment of a setting without the Go name it begins with.
func describe(field string) string {
	text := manual()[field]
	name := field[strings.LastIndexByte(field, '.')+1:]
	text = strings.TrimPrefix(text, name+" ")
	for _, verb := range []string{"is ", "are ", "says "} {
		text = strings.TrimPrefix(text, verb)
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func printHelp(w io.Writer, opts LoadOptions) {
	fmt.Fprintf(w, "Usage: %s [flags]\n\n", opts.Command)
	if opts.Flags != nil {
		own := flag.NewFlagSet(opts.Command, flag.ContinueOnError)
		opts.Flags(own)
		PrintFlags(w, own)
		fmt.Fprintln(w)
	}
	if opts.Brief {
		fmt.Fprintln(w, wrap("The server's data is found by the settings that the server has: --data or PROPUSK_DATA, "+
			"or --config or PROPUSK_CONFIG with the server's own file. `propusk serve -h` explains them all.", 0))
		return
	}
	fmt.Fprintf(w, "Flags win over the environment (PROPUSK_HTTP_LISTEN and so on), that over the file.\n\n")
	fmt.Fprintf(w, "  --config file\n%s\n", wrap("A YAML file with the settings below, without the dashes. Also PROPUSK_CONFIG.", 8))
	for _, s := range settingsOf(new(Config)) {
		if s.name == "data" && opts.Dev {
			s.def = DevData
		}
		fmt.Fprintf(w, "  --%s%s\n%s\n", s.name, valueForm(s), wrap(describe(s.field), 8))
	}
}

// PrintFlags explains flags in the form in which the settings are explained.
func PrintFlags(w io.Writer, fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		form := " text"
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
			form = ""
		} else if f.DefValue != "" {
			form = " (" + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  --%s%s\n%s\n", f.Name, form, wrap(strings.ToUpper(f.Usage[:1])+f.Usage[1:]+".", 8))
	})
}

func valueForm(s setting) string {
	switch {
	case s.def != "":
		return " (" + s.def + ")"
	case s.value.Kind().String() == "bool":
		return ""
	case s.value.Kind().String() == "map":
		return " id=address (repeatable)"
	case s.repeatable():
		return " text (repeatable)"
	}
	return " text"
}

// wrap folds a text at 80 columns behind an indent.
func wrap(text string, indent int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && indent+column+1+len(word) > 80 {
			b.WriteByte('\n')
			column = 0
		}
		if column == 0 {
			b.WriteString(strings.Repeat(" ", indent))
		} else {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// WriteYAML prints the settings in force as a file that Load reads, each under
// its manual. Settings that have no value are there as comments.
func (c *Config) WriteYAML(w io.Writer) error {
	var b strings.Builder
	section := ""
	for _, s := range settingsOf(c) {
		group, name, nested := strings.Cut(s.path, ".")
		indent := ""
		if nested {
			if section != group {
				parent, _, _ := strings.Cut(s.field, ".")
				fmt.Fprintf(&b, "\n%s\n%s:\n", comment(describe(parent), ""), group)
			}
			indent = "  "
		} else {
			name, group = s.path, ""
			b.WriteByte('\n')
		}
		section = group
		fmt.Fprintf(&b, "%s\n", comment(describe(s.field), indent))
		if s.value.IsZero() && s.def == "" && s.value.Kind().String() != "bool" {
			fmt.Fprintf(&b, "%s#%s:\n", indent, name)
			continue
		}
		value, err := s.yaml(name)
		if err != nil {
			return err
		}
		b.WriteString(indent + value)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func comment(text, indent string) string {
	lines := strings.Split(wrap(text, 0), "\n")
	return indent + "# " + strings.Join(lines, "\n"+indent+"# ")
}

func (s setting) yaml(name string) (string, error) {
	var value any
	switch {
	case s.repeatable():
		value = s.value.Interface()
	case s.value.Kind().String() == "bool":
		value = s.value.Bool()
	case s.value.Type().String() == "int":
		value = s.value.Int()
	default:
		value = s.texts()[0]
	}
	out, err := yaml.Marshal(map[string]any{name: value})
	return string(out), err
}

// ManualTable writes the settings as a Markdown table, for the documentation.
func ManualTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| setting | default | what it is |\n|---|---|---|\n")
	for _, s := range settingsOf(new(Config)) {
		def := "none"
		if s.def != "" {
			def = "`" + s.def + "`"
		} else if s.value.Kind().String() == "bool" {
			def = "`false`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.path, def, strings.ReplaceAll(describe(s.field), "|", `\|`))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
