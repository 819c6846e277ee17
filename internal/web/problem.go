package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// problem is a refusal of this door's own: an HTTP status and the key of a text.
type problem struct {
	status int
	key    string
	wait   time.Duration // > 0: when to come back
	forgot bool          // another link to set a password is sent to whoever asks
}

func (p *problem) Error() string { return p.key }

// Text is the key of what the page of the problem says, Forgot whether it leads to
// another link, and Wait how long it says to wait.
func (p *problem) Text() string        { return p.key + ".text" }
func (p *problem) Forgot() bool        { return p.forgot }
func (p *problem) Wait() time.Duration { return p.wait }

func refused(status int, key string) error { return &problem{status: status, key: key} }

// finish ends a visit whose page has not been shown.
func (v *visit) finish() {
	if v.trouble == nil || v.trouble == errAnswered {
		return
	}
	if v.route.session && errors.Is(v.trouble, iam.Unauthenticated) {
		v.dropCookie(sessionCookie)
		v.signInFirst("ended")
		return
	}
	v.fail(v.trouble)
}

// fail shows the page of an error. What went wrong inside stays inside: the
// request id leads to it.
func (v *visit) fail(err error) {
	p, own := errors.AsType[*problem](err)
	if !own {
		p = v.problemOf(err)
	}
	if p.wait > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(seconds(p.wait)))
	}
	v.show(p.status, &page{Name: "error", Title: p.key + ".title", Data: p})
}

// problemOf words an error of the gate that no form explains.
func (v *visit) problemOf(err error) *problem {
	p := &problem{status: gate.HTTPCode(gate.Status(err, v.requestID).GetCode())}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		p.wait = e.RetryAfter
	}
	switch p.status {
	case http.StatusTooManyRequests:
		p.key = "error.too_many"
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout, 499:
		p.status, p.key = http.StatusServiceUnavailable, "error.unavailable"
	case http.StatusNotFound:
		p.key = "error.gone"
	case http.StatusBadRequest, http.StatusConflict, http.StatusForbidden, http.StatusUnauthorized:
		p.key = "error.refused"
	default:
		p.status, p.key = http.StatusInternalServerError, "error.internal"
	}
	return p
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// mistake is a word about a form or a field of it: the key of a text, or a text of
// the server in English where this door has none of its own.
type mistake struct {
	Key, English string
	Wait         time.Duration
}

// mistakes are what is wrong with a form that was sent; the page shows them
// beside its fields.
type mistakes struct {
	status int
	Form   *mistake
	Fields map[string]mistake
}

func wrongField(field, key string) *mistakes {
	return &mistakes{status: http.StatusBadRequest, Fields: map[string]mistake{field: {Key: key}}}
}

func (m *mistakes) add(field, key string) *mistakes {
	if m == nil {
		return wrongField(field, key)
	}
	m.Fields[field] = mistake{Key: key}
	return m
}

// explain turns an error of the gate into mistakes of a form, whose fields are
// named as the message names them. Nil means that the form cannot tell: the error
// is no fault of what was typed.
func (v *visit) explain(err error, form ...string) *mistakes {
	e, ok := errors.AsType[*iam.Error](err)
	if !ok {
		return nil
	}
	out := &mistakes{status: gate.HTTPCode(int32(e.Kind)), Fields: map[string]mistake{}}
	switch e.Kind {
	case iam.ResourceExhausted:
		out.Form = &mistake{Key: "mistake.too_many", Wait: e.RetryAfter}
		if e.Quota != nil { // waiting does not help
			out.Form = &mistake{Key: "mistake.full"}
		}
	case iam.Unavailable:
		out.Form = &mistake{Key: "mistake.busy", Wait: e.RetryAfter}
	case iam.InvalidArgument:
		for _, f := range e.Fields {
			for _, known := range form {
				if f.Field == known {
					out.Fields[known] = fieldMistake(e.Reason, f.Description, v.form[known])
				}
			}
		}
		if len(out.Fields) == 0 {
			return nil
		}
	default:
		return nil
	}
	if e.RetryAfter > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(seconds(e.RetryAfter)))
	}
	return out
}

// longest is the shortest of the limits that the gate has for what people type, in
// characters.
const longest = 256

// fieldMistake finds the words for what is wrong with what was typed into a field.
func fieldMistake(reason, description, typed string) mistake {
	if reason == "validation" && utf8.RuneCountInString(typed) > longest {
		reason = "too_long"
	}
	if key := "mistake." + reason; texts()[fallback][key] != "" {
		return mistake{Key: key}
	}
	return mistake{English: description}
}

// Reasons of refusals: those after which a sign-in begins anew, and one of a code.
const (
	ticketExpired = "ticket_expired"
	ticketSpent   = "ticket_spent"
	codeWrong     = "code_wrong"
)

// isReason tells whether an error has a reason word.
func isReason(err error, reason string) bool {
	e, ok := errors.AsType[*iam.Error](err)
	return ok && e.Reason == reason
}
