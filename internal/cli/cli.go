// Package cli is the client commands: what a person types to use the API from
// a shell. It owns their words, flags, credentials and printed forms, and
// speaks to the server over gRPC alone, so that it works with any server of
// the API. Flags and habits are those of the public command line tool.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Environment is what a client command may touch of the world outside.
type Environment struct {
	Environ []string // "NAME=value"
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Now     func() time.Time

	Version string // of this program
	Columns int    // of the terminal that Stdout is; 0 when it is none
	Parent  int    // id of the process that has called this program; 0 when not known

	// HideTyping has what is typed not show until show is called; nil where
	// Stdin is no terminal, or it cannot be done.
	HideTyping func() (show func(), err error)
}

func (e *Environment) variable(name string) string {
	for _, v := range slices.Backward(e.Environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// Misuse is an error of the person at the keyboard: the command line is wrong
// and nothing was asked of the server.
type Misuse struct{ Err error }

func (m *Misuse) Error() string { return m.Err.Error() }
func (m *Misuse) Unwrap() error { return m.Err }

func misuse(format string, args ...any) error { return &Misuse{fmt.Errorf(format, args...)} }

// command is one verb of a noun. flags declares what it takes beside the flags
// of every command and returns what runs it.
type command struct {
	noun, verb string
	takes      string // what stands beside the flags, such as "ID"; "" for nothing
	summary    string
	changes    bool // it answers with an operation
	makes      bool // it makes the profile that is named, which need not be there
	needs      need
	flags      func(f *flag.FlagSet) action
	aliases    []string
	example    string // what may follow its words, one use a line; "" where that is plain
}

// need is what must be right before a command runs. What mends a profile does
// not need that it is whole.
type need int

const (
	theServer  need = iota // profile, endpoint, format
	theProfile             // the file of profiles, with the one that is named
	theFile                // the file of profiles, which can be read
	nothing
)

// treeCommand is a command of the tree.
type treeCommand struct {
	command
	call *rpc // when it is one call
}

// action runs a command with what stood beside its flags.
type action func(ctx context.Context, s *session, args []string) error

func commands() []command { return slices.Concat(resourceCommands(), accessCommands()) }

// Run runs a client command of a noun: one of propusk's own, or of the tree.
// Its errors are *Misuse, *Failure (an
// answer of the server) and flag.ErrHelp after help was printed.
func Run(ctx context.Context, env Environment, noun string, args []string) error {
	if top := root(); noun != "resource" && top.child(noun) != nil {
		return execute(ctx, &env, "propusk", append([]string{noun}, args...))
	}
	if len(args) > 0 && !slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		for _, c := range commands() {
			if c.noun == noun && c.verb == args[0] {
				return c.run(ctx, &env, "propusk "+noun+" "+c.verb, false, args[1:])
			}
		}
		return misuse("there is no %s %q; propusk %s -h lists what there is", noun, args[0], noun)
	}
	if len(args) == 0 {
		return misuse("say what to do; propusk %s -h lists what there is", noun)
	}
	PrintVerbs(env.Stdout, noun)
	return flag.ErrHelp
}

// PrintVerbs lists the commands of a noun.
func PrintVerbs(w io.Writer, noun string) {
	fmt.Fprintf(w, "Usage: propusk %s COMMAND [flags]\n\n", noun)
	for _, c := range commands() {
		if c.noun == noun {
			fmt.Fprintf(w, "  %-22s %s\n", c.verb, c.summary)
		}
	}
	fmt.Fprintf(w, "\n`propusk %s COMMAND -h` explains a command.\n", noun)
}

// run reads a command's flags and runs it. One of the tree asks where services
// are; title is how the person called it.
func (c command) run(ctx context.Context, env *Environment, title string, tree bool, args []string) error {
	f := flag.NewFlagSet(title, flag.ContinueOnError)
	f.SetOutput(io.Discard) // what is wrong is said once, by the program
	act := c.flags(f)
	s := &session{env: env, discovers: tree, makes: c.makes}
	s.declare(f)
	if c.changes {
		f.BoolVar(&s.async, "async", false, asyncUsage)
	}
	rest, err := parsed(f, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(env, f)
		return err
	case err != nil:
		return err
	case c.takes == "" && len(rest) > 0:
		return misuse("unexpected argument %q", rest[0])
	}
	if err := s.checkNewer(f); err != nil {
		return err
	}
	ctx, stop := s.limited(ctx)
	defer stop()
	switch c.needs {
	case theServer:
		err = s.check(f)
	case theProfile, theFile:
		err = s.readProfiles(c.needs == theProfile)
	}
	if err != nil {
		return err
	}
	defer s.close()
	return s.keepLog(title, f, s.inTime(ctx, act(ctx, s, rest)))
}
