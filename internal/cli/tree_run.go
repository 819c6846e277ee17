package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/propusk/propusk/internal/iam"
)

// Exit codes of the tree: 0 done, 1 failed, 2 misused, 130 interrupted, as
// shells count SIGINT.
const (
	exitFailed      = 1
	exitMisused     = 2
	exitInterrupted = 130 // by SIGINT; 128 and its number by another signal
	exitPipeClosed  = 141 // nobody reads what is printed, as shells count SIGPIPE
)

// ExitCodes says what they mean, within the columns of a terminal.
func ExitCodes(columns int) string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range [...][2]string{{"0", "done"}, {"1", "failed"}, {"2", "the command line, the environment or the profile is wrong, and nothing was changed"},
		{"130", "interrupted; 143 by SIGTERM"}, {"141", "nobody reads any more what is printed"}} {
		entry(&b, columns, 4, c[0], c[1])
	}
	return b.String()
}

// Main runs a command of the tree and returns the program's exit code. program
// is how the person called it. What went wrong is said on standard error.
func Main(ctx context.Context, env Environment, program string, args []string) int {
	out := &watched{Writer: env.Stdout}
	env.Stdout = out
	if env.Stdin != nil {
		env.Stdin = &interruptible{ctx, env.Stdin}
	}
	err := execute(ctx, &env, program, args)
	if out.err != nil && (err == nil || errors.Is(err, flag.ErrHelp)) {
		err = out.err // help, say, on a full disk
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		fmt.Fprintln(env.Stderr, "ERROR: interrupted")
		if i, ok := errors.AsType[*Interrupted](err); ok && i.Left != "" {
			fmt.Fprintln(env.Stderr, i.Left)
		}
		if by, ok := errors.AsType[*Signalled](context.Cause(ctx)); ok {
			return 128 + by.Number
		}
		return exitInterrupted
	case errors.Is(out.err, syscall.EPIPE):
		return exitPipeClosed
	}
	fmt.Fprintln(env.Stderr, "ERROR: "+errorBlock(err))
	if _, wrong := errors.AsType[*Misuse](err); wrong {
		return exitMisused
	}
	return exitFailed
}

// errorBlock is an error as people know it from the command line tool: what
// went wrong, the ids to ask about, and where more is told.
func errorBlock(err error) string {
	text := err.Error()
	if f, ok := errors.AsType[*Failure](err); ok {
		text = strings.Replace(text, f.Error(), f.line(), 1) + f.ids()
	}
	if l, ok := errors.AsType[*logged](err); ok {
		text += "\nThe log of this run: " + l.path
	}
	lines := strings.Split(iam.Conceal(text), "\n") // people put secrets where other words belong
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// watched remembers that something could not be written.
type watched struct {
	io.Writer
	err error
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

// execute finds the command that the words name and runs it. Flags may stand
// before the words too.
func execute(ctx context.Context, env *Environment, program string, args []string) error {
	if len(args) > 0 && args[0] == completeWord {
		return complete(env, args[1:])
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	args = versionAhead(args)
	top := root()
	at, path := &top, []string{program}
	var before []string
	for len(args) > 0 && at.run == nil {
		word := args[0]
		if word == "help" {
			before, args = append(before, "--help"), args[1:]
			continue
		}
		if strings.HasPrefix(word, "-") && word != "-" {
			n, err := at.flagAhead(args)
			if err != nil {
				return err
			}
			before, args = append(before, args[:n]...), args[n:]
			continue
		}
		below := at.child(word)
		if below == nil {
			return at.noWord(path, word)
		}
		at, path, args = below, append(path, below.word), args[1:]
	}
	if at.run == nil {
		at.help(env.Stdout, path, env.Columns)
		return flag.ErrHelp
	}
	return at.run.run(ctx, env, strings.Join(path, " "), true, append(before, args...))
}

// globalFlag tells how many words the flag at the start of args takes.
func globalFlag(args []string) (int, error) {
	name, _, whole := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	if name == "h" || name == "help" {
		return 1, nil
	}
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	new(session).declare(f)
	v := f.Lookup(name)
	switch {
	case v == nil:
		return 0, &Misuse{unknownFlag(f, name)}
	case whole || isBool(v):
		return 1, nil
	case len(args) < 2:
		return 0, misuse("flag needs an argument: --%s", name)
	}
	return 2, nil
}

// noWord is a command that there is not.
func (n *node) noWord(path []string, word string) error {
	var words []string
	for _, c := range n.below {
		words = append(words, c.word)
	}
	meant := nearest(word, words)
	if meant != "" {
		meant = " did you mean " + meant + "?"
	}
	return misuse("there is no command %q;%s `%s --help` lists what there is", strings.Join(append(path, word), " "), meant, strings.Join(path, " "))
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// help lists what there is below a word, in so many columns.
func (n *node) help(w io.Writer, path []string, columns int) {
	var b strings.Builder
	if n.summary != "" {
		b.WriteString(n.summary + "\n\n")
	}
	fmt.Fprintf(&b, "Usage:\n  %s COMMAND [flags]\n\n", strings.Join(path, " "))
	if len(n.aliases) > 0 {
		fmt.Fprintf(&b, "Aliases:\n  %s\n\n", strings.Join(append([]string{n.word}, n.aliases...), ", "))
	}
	b.WriteString("Commands:\n")
	for _, c := range n.below {
		summary := c.summary
		if c.run != nil && len(c.aliases) > 0 {
			summary += "; also " + strings.Join(c.aliases, ", ")
		}
		entry(&b, columns, 24, c.word, summary)
	}
	fmt.Fprintf(&b, "\n`%s COMMAND --help` explains a command.\n", strings.Join(path, " "))
	if n.word == "" {
		b.WriteString("\n" + ExitCodes(columns))
	}
	_, _ = io.WriteString(w, b.String())
}

// entry writes a word and what it means, within the columns of a terminal.
func entry(b *strings.Builder, columns, width int, word, meaning string) {
	line := fmt.Sprintf("  %-*s %s", width, word, meaning)
	if columns <= 0 || len(line) <= columns {
		b.WriteString(line + "\n")
		return
	}
	b.WriteString("  " + word + "\n")
	line = "     "
	for text := range strings.FieldsSeq(meaning) {
		if len(line)+1+len(text) > columns && len(line) > 5 {
			b.WriteString(line + "\n")
			line = "     "
		}
		line += " " + text
	}
	b.WriteString(line + "\n")
}
