package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"
)

// declareNewer declares the flags of every command that newer pages of the
// reference have [API fact: global flags]. Those that choose among what there
// is only one of here are taken, because scripts give them.
func (s *session) declareNewer(f *flag.FlagSet) {
	f.StringVar(&s.filter, "query", "", "the same as --jq")
	f.BoolVar(&s.whole, "print-metadata", false, "of a change print the operation that is done, which holds the answer beside its metadata")
	if f.Lookup("timeout") == nil { // a command's own flag wins
		f.DurationVar(&s.timeout, "timeout", 0, "how long the command may take, such as 30s or 5m; otherwise, or with 0, as long as it takes")
	}
	if f.Lookup("region") == nil {
		f.String("region", "", "taken for scripts that give it; this server has no regions")
	}
	f.String("pager", "", "taken for scripts that give it; nothing is paged")
	f.Bool("no-pager", false, "taken for scripts that give it; nothing is paged")
	f.Func("syntax", "1, which is the only one here", func(text string) error {
		if text != "1" {
			return errors.New("only 1 is understood here")
		}
		return nil
	})
	f.BoolFunc("cli-auto-prompt", "taken for scripts that give it; nothing is prompted for", func(string) error { return nil })
	f.Bool("no-cli-auto-prompt", false, "the same")
}

// checkNewer refuses flags that contradict each other or mean nothing.
func (s *session) checkNewer(f *flag.FlagSet) error {
	there := given(f)
	switch {
	case there["jq"] && there["query"]:
		return misuse("--jq and --query exclude each other")
	case s.timeout < 0:
		return misuse("--timeout: %v is below 0", s.timeout)
	}
	return nil
}

var errTimeout = errors.New("the time that --timeout gives is over")

// limited has all that a command does end in time.
func (s *session) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	if s.env.Stdin != nil {
		env := *s.env
		env.Stdin = &interruptible{ctx, env.Stdin}
		s.env = &env
	}
	return ctx, cancel
}

// inTime is the error of a command, said in terms of --timeout when that has
// ended it.
func (s *session) inTime(ctx context.Context, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || context.Cause(ctx) != errTimeout {
		return err
	}
	text := fmt.Sprintf("--timeout: not done in %v", s.timeout.Round(time.Millisecond))
	if i, ok := errors.AsType[*Interrupted](err); ok && i.Left != "" {
		text += "; " + i.Left
	}
	return errors.New(text)
}
