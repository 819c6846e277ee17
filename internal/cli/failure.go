package cli

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

const (
	requestIDHeader       = "x-request-id"
	serverTraceIDHeader   = "x-server-trace-id"
	clientRequestIDHeader = "x-client-request-id"
	clientTraceIDHeader   = "x-client-trace-id"
	idempotencyHeader     = "idempotency-key"
)

// Failure is an answer of the server that is an error.
type Failure struct {
	Code      iam.Kind
	Message   string   // lines; each but the first is set in
	Details   []string // one a line
	RequestID string   // to be quoted to who runs the server; may be empty

	ServerTraceID, ClientRequestID, ClientTraceID string // the same, each may be empty
}

// Error is several lines: the code and the text, the details, the request's id.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.Code.Error(), f.Message)
	for _, d := range f.Details {
		fmt.Fprintf(&b, "\n  %s", d)
	}
	if f.RequestID != "" {
		fmt.Fprintf(&b, "\n  request id: %s", f.RequestID)
	}
	return b.String()
}

// line is the same in gRPC's own form, as people know it from the command line
// tool [API fact: the error block].
func (f *Failure) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rpc error: code = %s desc = %s", codes.Code(f.Code), f.Message)
	for _, d := range f.Details {
		fmt.Fprintf(&b, "\n  %s", d)
	}
	return b.String()
}

// ids are those that there are, for who asks about it.
func (f *Failure) ids() string {
	ids := ""
	for _, id := range [...][2]string{{"server-request-id", f.RequestID}, {"client-request-id", f.ClientRequestID},
		{"server-trace-id", f.ServerTraceID}, {"client-trace-id", f.ClientTraceID}} {
		if id[1] != "" {
			ids += id[0] + ": " + id[1] + "\n"
		}
	}
	if ids == "" {
		return ""
	}
	return "\n\n\n" + ids + "\nQuote these ids to whoever runs the server."
}

// failureOf is a call's error, with what the server answered and what was sent,
// as names and values in turn.
func (s *session) failureOf(err error, answered metadata.MD, sent []string) error {
	return s.failureOfStatus(status.Convert(err).Proto(), answered, metadata.Pairs(sent...))
}

func (s *session) failureOfStatus(st *statuspb.Status, answered, sent metadata.MD) error {
	f := &Failure{Code: iam.Kind(st.GetCode()), Message: s.shownLines(st.GetMessage()), RequestID: s.shown(first(answered, requestIDHeader)),
		ServerTraceID: s.shown(first(answered, serverTraceIDHeader)), ClientRequestID: first(sent, clientRequestIDHeader), ClientTraceID: first(sent, clientTraceIDHeader)}
	if strings.Contains(f.Message, "certificate has expired or is not yet valid") {
		f.Details = append(f.Details, "your clock says "+s.env.Now().UTC().Format(time.RFC3339)+": is it right?")
	}
	for _, any := range st.GetDetails() {
		m, err := any.UnmarshalNew()
		if err != nil {
			f.Details = append(f.Details, "a detail of type "+s.shown(any.GetTypeUrl()))
			continue
		}
		switch d := m.(type) {
		case *errdetails.RequestInfo:
			if f.RequestID == "" {
				f.RequestID = s.shown(d.GetRequestId())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				if text := s.shown(v.GetField() + ": " + v.GetDescription()); !f.says(text) {
					f.Details = append(f.Details, text)
				}
			}
		default:
			text, _ := protojson.MarshalOptions{UseProtoNames: true}.Marshal(any)
			f.Details = append(f.Details, s.shown(string(output.Compact(text))))
		}
	}
	return f
}

// shown makes a text of the server fit for a terminal and a log: no control
// characters, and no secret of this run, should somebody send it back.
func (s *session) shown(text string) string {
	return printable(s.concealed(text))
}

// shownLines is shown for a text of several lines. Each but the first is set in,
// so that none passes for a line of this program's own.
func (s *session) shownLines(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(s.concealed(text), "\n") {
		line = printable(strings.TrimRight(line, " "))
		switch {
		case line == "":
			continue
		case b.Len() == 0:
		case strings.HasPrefix(line, "  "):
			b.WriteByte('\n')
		default:
			b.WriteString("\n  ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// says tells whether a line of the message, be it one of a list, is this text.
func (f *Failure) says(text string) bool {
	for line := range strings.SplitSeq(f.Message, "\n") {
		if strings.TrimPrefix(strings.TrimSpace(line), "- ") == text {
			return true
		}
	}
	return false
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}
