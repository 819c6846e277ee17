package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// make fills the field of an option whose text is not the value itself.
func (q *request) make(ctx context.Context, s *session, o option) error {
	text := q.flags.Lookup(o.name).Value.String()
	var err error
	switch o.reads() {
	case itself:
		return nil
	case aSecret:
		text, err = s.secret(o.name, text)
	case aFile:
		text, err = s.content(o.name, text)
	case aName:
		if o.by.within == "organization_id" && s.organizationID == "" {
			s.organizationID = q.organization
		}
		text, err = s.find(ctx, o.by, text)
	case aTimeAhead:
		at, err := until(text, s.env.Now())
		if err != nil {
			return misuse("--%s: %w", o.name, err)
		}
		q.message.Set(q.field(o.field), protoreflect.ValueOfMessage(timestamppb.New(at).ProtoReflect()))
		return nil
	}
	if err == nil {
		q.set(o.field, text)
	}
	return err
}

// until reads a time, or how long it is until then. No time at all is long ago,
// so that a server whose clock is behind has it behind itself too.
func until(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d < 0:
		return time.Time{}, fmt.Errorf("%q is neither an RFC 3339 time such as 2030-01-02T15:04:05Z nor a duration such as 24h", text)
	case d == 0:
		return time.Unix(1, 0), nil
	}
	return now.Add(d), nil
}

// content is the value of a flag that may be the name of a file that holds it,
// or - for standard input. JSON is the value itself.
func (s *session) content(name, value string) (string, error) {
	in := s.env.Stdin
	switch {
	case strings.HasPrefix(strings.TrimSpace(value), "{"):
		return value, nil
	case value == "":
		return "", misuse("--%s is missing", name)
	case value != "-":
		file, err := os.Open(value)
		if err != nil {
			return "", misuse("--%s: it is no JSON, and %w", name, err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, mostContent+1))
	switch {
	case err != nil:
		return "", misuse("--%s: %w", name, err)
	case len(text) > mostContent:
		return "", misuse("--%s: %s holds more than %d bytes", name, value, mostContent)
	}
	return string(text), nil
}

// mostContent is more than the API takes in any field.
const mostContent = 64 << 10
