package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/cli/profile"
)

// completeWord is the hidden word by which a shell asks what may come next.
const completeWord = "__complete"

// candidate is a word that may come next.
type candidate struct{ word, meaning string }

// complete prints what may come next, one a line with what it means after a
// tab. The last of args is the word that is being typed. Nothing is asked of a
// server: a key press is no reason to sign in.
func complete(env *Environment, args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	args = rejoined(args)
	typed := strings.Trim(args[len(args)-1], `"'`)
	l := newLine(env)
	for _, word := range args[:len(args)-1] {
		if !l.read(word) {
			return nil
		}
	}
	for _, c := range l.next(typed) {
		if !strings.HasPrefix(c.word, typed) || !inert(c.word) {
			continue
		}
		text := c.word
		if c.meaning != "" {
			text += "\t" + printable(c.meaning)
		}
		if _, err := fmt.Fprintln(env.Stdout, text); err != nil {
			return err
		}
	}
	return nil
}

// rejoined puts words together that bash takes apart at = and :.
func rejoined(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if (args[i] == "=" || args[i] == ":") && len(out) > 0 {
			out[len(out)-1] += args[i]
			if i+1 < len(args) {
				i++
				out[len(out)-1] += args[i]
			}
			continue
		}
		out = append(out, args[i])
	}
	return out
}

// inert tells whether a word means nothing to any shell. Names of profiles come
// from a file that others may have written.
func inert(word string) bool {
	return word != "" && all(word, func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.,/=@+", c) >= 0
	})
}

// line is a command line as far as it is typed.
type line struct {
	env     *Environment
	at      *node
	path    []string
	flags   *flag.FlagSet
	s       *session
	pending *flag.Flag // takes the next word
	words   int        // beside the flags, after those of the tree
	plain   bool       // after --, where nothing is a flag
}

func newLine(env *Environment) *line {
	top := root()
	l := &line{env: env, at: &top, s: &session{env: env}}
	l.declare()
	return l
}

// declare declares the flags that may stand here.
func (l *line) declare() {
	l.flags = flag.NewFlagSet("", flag.ContinueOnError)
	l.flags.SetOutput(io.Discard)
	if l.at.run != nil {
		l.at.run.flags(l.flags)
		if l.at.run.changes {
			l.flags.Bool("async", false, asyncUsage)
		}
	}
	config := l.s.configPath
	l.s.declare(l.flags)
	l.s.configPath = config
}

const asyncUsage = "print the operation instead of waiting for its end"

// read takes a word that is complete; it tells whether it makes sense.
func (l *line) read(word string) bool {
	switch {
	case l.pending != nil:
		if l.pending.Name == "config" {
			l.s.configPath = word
		}
		l.pending = nil
	case l.plain:
		l.words++
	case word == "--":
		l.plain = true
	case strings.HasPrefix(word, "-") && word != "-":
		name, text, whole := strings.Cut(strings.TrimLeft(word, "-"), "=")
		f := l.flags.Lookup(name)
		if whole && f != nil && f.Name == "config" {
			l.s.configPath = text
		}
		if f != nil && !whole && !isBool(f) {
			l.pending = f
		}
	case l.at.run != nil:
		l.words++
	case word == "help":
	default:
		if l.at = l.at.child(word); l.at == nil {
			return false
		}
		l.path = append(l.path, l.at.word)
		if l.at.run != nil {
			l.declare()
		}
	}
	return true
}

// next are the words that may come next, given how the next one begins.
func (l *line) next(typed string) (out []candidate) {
	if l.pending != nil {
		return l.values(l.pending, "")
	}
	if strings.HasPrefix(typed, "-") && !l.plain {
		if name, _, whole := strings.Cut(strings.TrimLeft(typed, "-"), "="); whole {
			if f := l.flags.Lookup(name); f != nil {
				return l.values(f, typed[:strings.IndexByte(typed, '=')+1])
			}
			return nil
		}
		l.flags.VisitAll(func(v *flag.Flag) {
			if len(v.Name) > 1 {
				out = append(out, candidate{"--" + v.Name, v.Usage})
			}
		})
		return out
	}
	for _, c := range l.at.below {
		out = append(out, candidate{c.word, c.summary})
	}
	if l.at.run != nil && l.words == 0 {
		for _, w := range l.beside() {
			out = append(out, candidate{word: w})
		}
	}
	return out
}

// values are those that a flag may have, when they are known.
func (l *line) values(f *flag.Flag, before string) (out []candidate) {
	var words []string
	v, fills := f.Value.(*value)
	switch {
	case f.Name == "format":
		words = output.Formats
	case f.Name == "profile":
		words = l.profiles()
	case f.Name == "protection-level":
		words = choices(iampb.RefreshToken_ProtectionLevel(0).Descriptor())
	case fills && v.field.Enum() != nil:
		words = choices(v.field.Enum())
	case isBool(f):
		words = []string{"true", "false"}
	}
	for _, w := range words {
		out = append(out, candidate{word: before + w})
	}
	return out
}

// beside are the words that may stand beside a command's flags.
func (l *line) beside() []string {
	switch strings.Join(l.path, " ") {
	case "config profile activate", "config profile delete", "config profile get":
		return l.profiles()
	case "config get", "config set", "config unset":
		return profile.Properties
	case "completion":
		return slices.Sorted(maps.Keys(shells))
	}
	return nil
}

// profiles are the names of the profiles that there are.
func (l *line) profiles() []string {
	path, err := l.s.configFile()
	if err != nil {
		return nil
	}
	f, err := profile.Read(path)
	if err != nil {
		return nil
	}
	return f.Names()
}

func versionCommand() *treeCommand {
	return &treeCommand{command: command{verb: "version", summary: "print the version", needs: nothing, flags: func(f *flag.FlagSet) action {
		alone := f.Bool("semantic", false, "print numbers alone, which programs compare")
		return func(_ context.Context, s *session, _ []string) error {
			text := s.env.Version
			if *alone {
				text = semantic(text)
			}
			_, err := fmt.Fprintln(s.env.Stdout, text)
			return err
		}
	}}}
}

// semantic is a version by semver.org; one that is none is before all others.
func semantic(version string) string {
	if text := strings.TrimPrefix(version, "v"); text != "" && text[0] >= '0' && text[0] <= '9' {
		return text
	}
	return "0.0.0-devel"
}
