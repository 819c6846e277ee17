package cli

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// mostTyped bounds a line that a person types.
const mostTyped = 4096

// ask puts a question and returns the line that the person types.
func (s *session) ask(question string) (string, error) {
	fmt.Fprint(s.env.Stderr, question)
	if s.typed == nil {
		s.typed = bufio.NewReader(s.env.Stdin)
	}
	var line []byte
	for {
		c, err := s.typed.ReadByte()
		switch {
		case err == io.EOF && len(line) > 0, err == nil && c == '\n':
			return strings.TrimSpace(string(line)), nil
		case err == io.EOF:
			fmt.Fprintln(s.env.Stderr)
			return "", misuse("nobody answers: standard input has ended")
		case err != nil:
			fmt.Fprintln(s.env.Stderr)
			return "", err
		case len(line) == mostTyped:
			return "", misuse("the line is longer than %d bytes", mostTyped)
		}
		line = append(line, c)
	}
}

// askSecret is ask for what nobody else is to see.
func (s *session) askSecret(question string) (string, error) {
	if s.env.HideTyping == nil {
		return s.ask(question)
	}
	show, err := s.env.HideTyping()
	if err != nil {
		return "", fmt.Errorf("what is typed here cannot be hidden: %w", err)
	}
	defer fmt.Fprintln(s.env.Stderr)
	defer show()
	return s.ask(question)
}

// choose has the person pick one of several by its number, from 0.
func (s *session) choose(title string, choices []string) (int, error) {
	var b strings.Builder
	b.WriteString(title + "\n")
	for i, c := range choices {
		fmt.Fprintf(&b, " [%d] %s\n", i+1, printable(c))
	}
	b.WriteString("Please enter your numeric choice: ")
	question := b.String()
	for {
		line, err := s.ask(question)
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(line); err == nil && n >= 1 && n <= len(choices) {
			return n - 1, nil
		}
		question = fmt.Sprintf("Please enter a number from 1 to %d: ", len(choices))
	}
}

// with gives a command more flags, and has something checked before it runs.
func (n node) with(more func(*flag.FlagSet), before func(*session, *flag.FlagSet) error) node {
	run := *n.run
	inner := run.flags
	run.flags = func(f *flag.FlagSet) action {
		more(f)
		act := inner(f)
		return func(ctx context.Context, s *session, args []string) error {
			if before != nil {
				if err := before(s, f); err != nil {
					return err
				}
			}
			return act(ctx, s, args)
		}
	}
	n.run = &run
	return n
}
