package cli

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

// envLogs switches the logs of failed runs off.
const envLogs = "PROPUSK_CLI_LOGS"

// mostTold bounds the calls that are remembered of one run.
const mostTold = 100

// told is a call that was made, for the log of a run that fails.
type told struct {
	at       time.Time
	took     time.Duration
	address  string
	method   string
	err      error
	answered metadata.MD
	sent     []string // headers: names and values in turn
	request  proto.Message
}

func (s *session) remember(t told) {
	if len(s.told) == mostTold {
		s.told = append(s.told[:0], s.told[1:]...)
		s.untold++
	}
	t.request = proto.Clone(t.request) // a list's is used again for its next page
	s.told = append(s.told, t)
}

// logged is a failure of whose run there is a log.
type logged struct {
	error
	path string
}

func (l *logged) Unwrap() error { return l.error }

// keepLog writes the log of a run that failed, when something was asked of a
// server. A log that cannot be written changes nothing.
func (s *session) keepLog(title string, f *flag.FlagSet, err error) error {
	if err == nil || len(s.told) == 0 || s.configPath == "" || s.env.variable(envLogs) == "off" {
		return err
	}
	if _, misused := errors.AsType[*Misuse](err); misused {
		return err
	}
	path, werr := profile.LogsOf(s.configPath).Keep(s.env.Now(), strings.ReplaceAll(title, " ", "_"), []byte(s.runLog(title, f, err)))
	if werr != nil {
		return err
	}
	return &logged{err, path}
}

func (s *session) runLog(title string, f *flag.FlagSet, failure error) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(s.shown(fmt.Sprintf(format, args...)) + "\n") }
	line("%s, %s on %s/%s", title, s.env.Version, runtime.GOOS, runtime.GOARCH)
	var names []string
	f.Visit(func(v *flag.Flag) { names = append(names, "--"+v.Name) })
	line("flags: %s", strings.Join(names, " "))
	line("config file: %s, profile: %s, endpoint: %s", s.configPath, s.profileName, s.endpoint)
	if s.untold > 0 {
		line("%d calls before these are left out", s.untold)
	}
	for _, t := range s.told {
		line("")
		line("%s %s %s: %s in %v", t.at.UTC().Format(time.RFC3339Nano), t.address, t.method, outcome(t.err), t.took.Round(time.Microsecond))
		for i := 0; i+1 < len(t.sent); i += 2 {
			value := t.sent[i+1]
			if t.sent[i] == "authorization" {
				value = "*** hidden ***"
			}
			line("  sent %s: %s", t.sent[i], value)
		}
		for _, name := range [...]string{requestIDHeader, serverTraceIDHeader, "server"} {
			if value := first(t.answered, name); value != "" {
				line("  got %s: %s", name, value)
			}
		}
		line("  sent %s", masked(t.request))
		if t.err != nil {
			line("  got %s", status.Convert(t.err).Message())
		}
	}
	line("")
	for text := range strings.SplitSeq("ERROR: "+failure.Error(), "\n") {
		line("%s", text)
	}
	return b.String()
}

func outcome(err error) string {
	if err == nil {
		return codes.OK.String()
	}
	return iam.Kind(status.Code(err)).Error()
}
