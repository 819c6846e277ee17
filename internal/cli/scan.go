package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/cli/scan"
)

const scanUsage = `propusk scan: find credentials where they do not belong

Usage: propusk scan [PATH… | -] [flags]

Looks through files and folders (the current folder when none is named), or
through standard input, for IAM tokens, API keys, static and temporary access
keys, authorized keys, OAuth tokens and secrets, by their form and checksums.
A credential is shown by its kind, its first and its last characters, never
whole. Without --verify and --revoke nothing leaves this machine.

Skipped are folders named .git, what --exclude or a PATH's file .propuskignore
names (a glob a line, or "fingerprint F" for one credential wherever it
stands), symbolic links below a PATH, and what the kernel shows as files (/proc). A credential is let be when
propusk:allow follows it on its line. Not looked into: archives and whatever
else is packed or encoded, UTF-16, private keys without the line that names
their id, secrets of ephemeral keys without their session token.

Exit codes: 0 nothing found, 1 something found (whether it works or not),
2 misused, 3 nothing found but not everything could be read.

`

// ScanOutcome is how a scan ended when it did not end well.
type ScanOutcome struct {
	Code int    // the program's exit code
	text string // "" when nothing is to be said
}

func (o *ScanOutcome) Error() string { return o.text }

const (
	scanFound      = 1
	scanIncomplete = 3
)

// scanning is one run of the command.
type scanning struct {
	*session
	interactive bool

	history, verify, revoke, yes, quiet bool
	format                              string
	exclude                             texts
	maxSize                             scan.ByteCount

	scanner  *scan.Scanner
	problems []scan.Problem
	found    int
}

// mostProblems bounds those that are kept; all are counted by the one more.
const mostProblems = 1000

// Scan runs `propusk scan`. interactive tells whether a person can answer a
// question on standard input. Its errors are *ScanOutcome, *Misuse, flag.ErrHelp
// after help was printed, and those of the context and of standard output.
func Scan(ctx context.Context, env Environment, interactive bool, args []string) error {
	s := &scanning{session: &session{env: &env}, interactive: interactive}
	f := flag.NewFlagSet("propusk scan", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	s.declareScan(f)
	paths, err := parse(f, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(env.Stdout, scanUsage)
		printFlags(env.Stdout, f)
		return err
	case err != nil:
		return &Misuse{err}
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	if err := s.checkScan(f, paths); err != nil {
		return err
	}
	defer s.close()
	return s.run(ctx, paths)
}

func (s *scanning) declareScan(f *flag.FlagSet) {
	f.BoolVar(&s.history, "history", false, "look through all that the branches, tags and stash of the git repository at PATH lead to, too")
	f.BoolVar(&s.history, "git", false, "the same as --history")
	f.Var(&s.exclude, "exclude", "glob of files and folders to skip, such as *.min.js, docs/ or a/**/b; may be repeated")
	f.Var(&s.maxSize, "max-size", "skip files larger than this, such as 64M; otherwise none is too large")
	f.StringVar(&s.format, "format", "text", "how findings are printed: text, json or sarif")
	f.BoolVar(&s.quiet, "quiet", false, "print nothing: the exit code tells")
	f.BoolVar(&s.verify, "verify", false, "ask the server which of the credentials work; sends them there")
	f.BoolVar(&s.revoke, "revoke", false, "have the server end those that work, after asking; verifies first")
	f.BoolVar(&s.yes, "yes", false, "revoke without asking")
	s.declareServer(f)
}

func (s *scanning) checkScan(f *flag.FlagSet, paths []string) error {
	stdin := slices.Contains(paths, "-")
	s.verify = s.verify || s.revoke
	switch {
	case !slices.Contains(scan.Formats, s.format):
		return misuse("--format: %q is not text, json or sarif", s.format)
	case stdin && len(paths) > 1:
		return misuse("standard input (-) is scanned alone")
	case stdin && s.history:
		return misuse("--history needs a repository, not standard input")
	case slices.Contains(paths, ""):
		return misuse("a PATH is empty")
	case s.yes && !s.revoke:
		return misuse("--yes goes with --revoke")
	case s.revoke && !s.yes && (stdin || !s.interactive):
		return misuse("--revoke: nobody can be asked here; --yes revokes without asking")
	}
	for _, glob := range s.exclude {
		if err := scan.CheckGlob(glob); err != nil {
			return misuse("--exclude: %v", err)
		}
	}
	if !s.verify {
		return nil
	}
	if err := s.checkServer(f); err != nil {
		return err
	}
	if s.token == "" && s.keyFile == "" && s.env.variable(envToken) == "" && s.env.variable(envKeyFile) == "" {
		return s.authenticate(context.Background()) // says what is missing, before the work
	}
	return nil
}

// run scans, verifies, revokes and reports.
func (s *scanning) run(ctx context.Context, paths []string) error {
	out := scan.NewReport(s.env.Stdout, s.format, s.quiet)
	s.scanner = &scan.Scanner{Exclude: s.exclude, MaxSize: s.maxSize, Environ: s.env.Environ, Stdin: s.env.Stdin, Keep: s.verify, Trouble: s.trouble}
	var kept []*scan.Finding // those of which more is to be learnt before they are shown
	emit := func(e *scan.Finding) error {
		s.found++
		if s.verify {
			kept = append(kept, e)
			return nil
		}
		return out.Finding(e)
	}
	for _, path := range paths {
		err := s.scanner.Look(ctx, path, s.history, emit)
		if wrong, ok := errors.AsType[*scan.Misuse](err); ok {
			return &Misuse{wrong}
		}
		if err != nil {
			return err
		}
	}
	if len(kept) > 0 {
		if err := s.judge(ctx, out, kept); err != nil {
			return err
		}
	}
	if err := out.End(s.scanner.Total, s.problems); err != nil {
		return err
	}
	return s.outcome()
}

// trouble notes what could not be read, and tells of it at once.
func (s *scanning) trouble(path string, err error) {
	text := printable(err.Error())
	path = printable(path)
	if !strings.Contains(text, path) {
		text = path + ": " + text
	}
	if len(s.problems) <= mostProblems {
		s.problems = append(s.problems, scan.Problem{Path: path, Error: text})
	}
	if !s.quiet && len(s.problems) <= mostProblems {
		fmt.Fprintf(s.env.Stderr, "propusk scan: %s\n", text)
	}
}

func (s *scanning) outcome() error {
	o := &ScanOutcome{}
	switch {
	case s.found > 0:
		o.Code = scanFound
		o.text = fmt.Sprintf("%d found", s.found)
	case len(s.problems) > 0:
		o.Code = scanIncomplete
		o.text = "nothing found"
	default:
		return nil
	}
	if n := len(s.problems); n > mostProblems {
		o.text += fmt.Sprintf("; more than %d problems", mostProblems)
	} else if n > 0 {
		o.text += fmt.Sprintf("; problems: %d", n)
	}
	if s.quiet {
		o.text = ""
	}
	return o
}
