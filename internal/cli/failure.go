package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/propusk/propusk/internal/iam"
)

const requestIDHeader = "x-request-id"

// Failure is an answer of the server that is an error.
type Failure struct {
	Code      iam.Kind
	Message   string
	Details   []string // one a line
	RequestID string   // to be quoted to who runs the server; may be empty
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

func (s *session) failureOf(err error, answered metadata.MD) error {
	return s.failureOfStatus(status.Convert(err).Proto(), first(answered, requestIDHeader))
}

func (s *session) failureOfStatus(st *statuspb.Status, requestID string) error {
	f := &Failure{Code: iam.Kind(st.GetCode()), Message: s.shown(st.GetMessage()), RequestID: s.shown(requestID)}
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
				if text := s.shown(v.GetField() + ": " + v.GetDescription()); text != f.Message {
					f.Details = append(f.Details, text)
				}
			}
		default:
			text, _ := protojson.MarshalOptions{UseProtoNames: true}.Marshal(any)
			f.Details = append(f.Details, s.shown(string(compact(text))))
		}
	}
	return f
}

// shown makes a text of the server fit for a terminal and a log: no control
// characters, and never the token, should somebody send it back.
func (s *session) shown(text string) string {
	if secret := s.bearer.Reveal(); secret != "" {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return printable(text)
}

// printable spells out what is no printable character, so that a name cannot
// move a terminal's cursor.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}
