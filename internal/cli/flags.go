package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// parse reads flags that may stand before, between and after the arguments,
// and returns the arguments. After "--" everything is an argument.
func parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		left := f.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if consumed := len(args) - len(left); consumed > 0 && args[consumed-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// help explains a command: its own flags, then those of every command.
func (c command) help(env *Environment, f *flag.FlagSet) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nUsage: %s", f.Name(), c.summary, f.Name())
	if c.takes != "" {
		fmt.Fprintf(&b, " %s", c.takes)
	}
	b.WriteString(" [flags]\n\n")
	if len(c.aliases) > 0 {
		fmt.Fprintf(&b, "Aliases:\n  %s\n\n", strings.Join(append([]string{c.verb}, c.aliases...), ", "))
	}
	b.WriteString(c.examples(f.Name()))
	everywhere := flag.NewFlagSet("", flag.ContinueOnError)
	new(session).declare(everywhere)
	own := flag.NewFlagSet("", flag.ContinueOnError)
	c.flags(own)
	write := func(title string, which func(name string) bool) {
		var part strings.Builder
		f.VisitAll(func(v *flag.Flag) {
			if which(v.Name) {
				flagEntry(&part, env.Columns, v)
			}
		})
		if part.Len() > 0 {
			b.WriteString(title + part.String())
		}
	}
	global := func(name string) bool { return everywhere.Lookup(name) != nil && own.Lookup(name) == nil }
	write("Flags:\n", func(name string) bool { return !global(name) })
	write("\nFlags of every command:\n", global)
	_, _ = io.WriteString(env.Stdout, b.String())
}

func flagEntry(b *strings.Builder, columns int, v *flag.Flag) {
	name := "--" + v.Name
	if len(v.Name) == 1 {
		name = "-" + v.Name
	}
	if !isBool(v) {
		switch {
		case v.DefValue != "" && v.DefValue != "0" && v.DefValue != "0s":
			name += " (" + v.DefValue + ")"
		default:
			name += " " + kindOf(v)
		}
	}
	entry(b, columns, 34, name, v.Usage)
}

func printFlags(w io.Writer, f *flag.FlagSet) {
	var b strings.Builder
	f.VisitAll(func(v *flag.Flag) { flagEntry(&b, 0, v) })
	_, _ = io.WriteString(w, b.String())
}

// labels is a flag of the form key=value,key=value.
type labels map[string]string

func (l *labels) String() string { return "" }

// Set implements flag.Value.
func (l *labels) Set(text string) error {
	if *l == nil {
		*l = labels{}
	}
	if text == "" {
		return nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return fmt.Errorf("%q is not key=value", pair)
		}
		(*l)[strings.TrimSpace(key)] = value
	}
	return nil
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return "" }

// Set implements flag.Value.
func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

// single is a flag that names one thing. Given again with another value it is
// refused: only one would count, and the other keep or lose its access unseen.
type single struct{ into *string }

func singleVar(f *flag.FlagSet, into *string, name, usage string) { f.Var(single{into}, name, usage) }

func (s single) String() string {
	if s.into == nil {
		return ""
	}
	return *s.into
}

// Set implements flag.Value.
func (s single) Set(text string) error {
	if *s.into != "" && *s.into != text {
		return errors.New("it stands there twice, and only one can be meant")
	}
	*s.into = text
	return nil
}

// given tells which flags stand on the command line.
func given(f *flag.FlagSet) map[string]bool {
	out := map[string]bool{}
	f.Visit(func(v *flag.Flag) { out[v.Name] = true })
	return out
}

// oneID is the id that stands beside the flags or in --id.
func oneID(flagID string, args []string) (string, error) {
	switch {
	case flagID != "" && len(args) > 0, len(args) > 1:
		return "", &Misuse{errors.New("name one id")}
	case flagID != "":
		return flagID, nil
	case len(args) == 0 || args[0] == "":
		return "", &Misuse{errors.New("an id is missing")}
	}
	return args[0], nil
}
