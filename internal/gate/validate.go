package gate

import (
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/iam"
)

// validator checks requests of one message type against the options that the
// API's own descriptors carry: required, pattern, value, size, length, unique,
// map_key, bytes and exactly_one. It is compiled once; check itself allocates
// nothing when nothing is wrong.
//
// What the descriptors leave open is decided so: patterns match the whole
// text; length counts characters; an empty text is still a text (the API's
// patterns begin with "|" where they allow it), while a number that is zero
// and not required counts as absent. Beyond the options, every text must be
// UTF-8 without NUL and every enum value one that the descriptor names.
type validator struct {
	rules *messageRules
	mask  protoreflect.FieldDescriptor // update_mask, nil when there is none
}

// compileValidator reads the options of a message and of everything below it.
// An option that cannot be understood is an error, so that no rule is lost in
// silence.
func compileValidator(md protoreflect.MessageDescriptor) (*validator, error) {
	return newCompiler().validator(md)
}

func (c *compiler) validator(md protoreflect.MessageDescriptor) (*validator, error) {
	rules, err := c.message(md)
	if err != nil {
		return nil, err
	}
	v := &validator{rules: rules}
	if f := md.Fields().ByName("update_mask"); f != nil && f.Message() != nil && f.Message().FullName() == "google.protobuf.FieldMask" {
		v.mask = f
	}
	return v, nil
}

// check returns nil or INVALID_ARGUMENT with a violation for each broken rule,
// the first 16 of them. When the message has a filled update_mask, fields that
// the mask does not name are left alone, except the one that says which
// resource is meant: identity, and the first field when its name ends in id.
func (v *validator) check(msg proto.Message, identity string) error {
	r := reports.Get().(*report)
	defer r.release()
	m := msg.ProtoReflect()
	if paths := v.maskPaths(m); len(paths) > 0 {
		v.checkMasked(r, m, paths, identity)
	} else {
		v.rules.check(r, m)
	}
	if len(r.violations) == 0 {
		return nil
	}
	return r.error()
}

// The violations that one answer lists; more would help nobody and let a
// request of a megabyte buy an answer of several.
const maxViolations = 16

// report gathers violations and knows where in the message the walk is.
type report struct {
	path       []step
	violations []iam.FieldViolation
}

// step is one link of a path: a field, an element of a list or of a map.
type step struct {
	field string
	key   string
	index int
}

var reports = sync.Pool{New: func() any { return &report{path: make([]step, 0, 16)} }}

func (r *report) release() {
	r.path, r.violations = r.path[:0], nil
	reports.Put(r)
}

func (r *report) enter(field string)    { r.path = append(r.path, step{field: field}) }
func (r *report) enterIndex(i int)      { r.path = append(r.path, step{index: i}) }
func (r *report) enterKey(key string)   { r.path = append(r.path, step{key: key, index: -1}) }
func (r *report) leave()                { r.path = r.path[:len(r.path)-1] }
func (r *report) full() bool            { return len(r.violations) >= maxViolations }
func (r *report) failIn(f, desc string) { r.enter(f); r.fail(desc); r.leave() }

// fail notes that the value at the current place breaks a rule.
func (r *report) fail(description string) {
	if r.full() {
		return
	}
	r.violations = append(r.violations, iam.FieldViolation{Field: r.place(), Description: description})
}

// place spells the current path, such as labels["env"] or deltas[3].role_id.
func (r *report) place() string {
	var b strings.Builder
	for _, s := range r.path {
		switch {
		case s.field != "":
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.field)
		case s.index >= 0:
			fmt.Fprintf(&b, "[%d]", s.index)
		default:
			fmt.Fprintf(&b, "[%q]", clip(s.key))
		}
	}
	return b.String()
}

// error builds the answer; its first line is the one that the API gives
// [API fact: error texts].
func (r *report) error() error {
	var b strings.Builder
	b.WriteString("Validation failed:")
	for _, v := range r.violations {
		b.WriteString("\n  - ")
		b.WriteString(v.Field)
		b.WriteString(": ")
		b.WriteString(v.Description)
	}
	return &iam.Error{Kind: iam.InvalidArgument, Message: b.String(), Fields: r.violations, Reason: "validation"}
}

// clip shortens a caller's text for an answer and keeps it valid UTF-8.
func clip(s string) string { return shorten(s, 64) }

func shorten(s string, most int) string {
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:most], "\uFFFD") + "…"
}
