package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

// rpc is a command that is one call of a method: what it takes and how flags
// become fields of the request.
type rpc struct {
	method  string   // "/package.Service/Method"
	subject *subject // what it is about, when it is about one thing
	within  string   // field that takes where one works: folder_id, cloud_id or organization_id
	options []option
	name    string // method that tells the subject's name, which the request must carry though it stays
	columns []output.Column
}

// subject is the thing that a command is about, which stands beside the flags.
type subject struct {
	thing string // "service account"
	field string // of the request, for its id
	by    *finder
	many  bool
}

// option is a flag that fills a field.
type option struct {
	name, field, usage string
	required           bool
	beside             bool    // it may stand beside the flags instead
	by                 *finder // the value is a name, and the field takes the id
}

func (r rpc) shows(verb, summary string) node   { return r.node(verb, summary, false, r.show) }
func (r rpc) changes(verb, summary string) node { return r.node(verb, summary, true, r.change) }
func (r rpc) lists(verb, summary string) node   { return r.node(verb, summary, false, r.list) }

func (r rpc) node(verb, summary string, changes bool, send func(context.Context, *session, *request) error) node {
	n := leaf(command{verb: verb, takes: r.takes(), summary: summary, changes: changes, flags: func(f *flag.FlagSet) action {
		q, err := r.declare(f)
		return func(ctx context.Context, s *session, args []string) error {
			if err != nil {
				return err
			}
			return q.each(ctx, s, args, func() error { return send(ctx, s, q) })
		}
	}})
	n.run.call = &r
	return n
}

func (r rpc) takes() string {
	if r.subject != nil {
		text := "ID"
		if r.subject.by != nil {
			text = "NAME|ID"
		}
		if r.subject.many {
			text += " [" + text + "…]"
		}
		return text
	}
	for _, o := range r.options {
		if o.beside {
			return "[" + strings.ToUpper(o.name) + "]"
		}
	}
	return ""
}

// request is a request that is being made of a command line.
type request struct {
	rpc
	flags   *flag.FlagSet
	message protoreflect.Message
	answer  protoreflect.MessageType
	id      string
	byName  string // --name of the subject
	limit   *int64
}

// types finds what a method takes and answers.
func types(method string) (in, out protoreflect.MessageType, err error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")))
	if err != nil {
		return nil, nil, err
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, nil, fmt.Errorf("%s is no method", method)
	}
	if in, err = protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName()); err != nil {
		return nil, nil, err
	}
	out, err = protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	return in, out, err
}

// declare binds the flags to the fields of a new request.
func (r rpc) declare(f *flag.FlagSet) (*request, error) {
	in, out, err := types(r.method)
	if err != nil {
		return nil, err
	}
	q := &request{rpc: r, flags: f, message: in.New(), answer: out}
	if r.subject != nil {
		f.StringVar(&q.id, "id", "", "id of the "+r.subject.thing+"; may stand beside the flags")
		if r.subject.by != nil {
			f.StringVar(&q.byName, "name", "", "name of the "+r.subject.thing+"; may stand beside the flags")
		}
	}
	for _, o := range r.options {
		field := q.message.Descriptor().Fields().ByName(protoreflect.Name(o.field))
		if field == nil {
			return nil, fmt.Errorf("%s has no field %s for --%s", q.message.Descriptor().FullName(), o.field, o.name)
		}
		usage := o.usage
		if o.required {
			usage += "; required"
		}
		f.Var(&value{into: q.message, field: field, deferred: o.by != nil}, o.name, usage)
	}
	if q.field("page_size") != nil {
		q.limit = limitFlag(f)
	}
	return q, nil
}

func (q *request) field(name string) protoreflect.FieldDescriptor {
	return q.message.Descriptor().Fields().ByName(protoreflect.Name(name))
}

func (q *request) set(name, text string) {
	q.message.Set(q.field(name), protoreflect.ValueOfString(text))
}

// named is a subject as the person named it.
type named struct {
	text string
	how  string // "id" or "name" for those flags, "" beside them
}

// each fills the request and sends it: once, or for each of several subjects.
func (q *request) each(ctx context.Context, s *session, args []string, send func() error) error {
	if q.subject == nil {
		if err := q.beside(args); err != nil {
			return err
		}
		if err := q.fill(ctx, s); err != nil {
			return err
		}
		return send()
	}
	subjects, err := q.subjects(args)
	if err != nil {
		return err
	}
	if err := q.fill(ctx, s); err != nil {
		return err
	}
	for _, n := range subjects {
		err := q.about(ctx, s, n, send)
		if err != nil && len(subjects) > 1 {
			return fmt.Errorf("%s: %w", printable(n.text), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *request) subjects(args []string) (out []named, err error) {
	for _, a := range args {
		out = append(out, named{a, ""})
	}
	if q.id != "" {
		out = append(out, named{q.id, "id"})
	}
	if q.byName != "" {
		out = append(out, named{q.byName, "name"})
	}
	switch {
	case len(out) == 0 || slices.Contains(args, ""):
		return nil, misuse("name the %s: %s", q.subject.thing, q.takes())
	case len(out) > 1 && !q.subject.many:
		return nil, misuse("name one %s", q.subject.thing)
	}
	return out, nil
}

// beside takes an option's value that stands beside the flags.
func (q *request) beside(args []string) error {
	for _, o := range q.options {
		if o.beside && len(args) > 0 {
			if given(q.flags)[o.name] {
				return misuse("--%s and %q say the same thing twice", o.name, args[0])
			}
			if err := q.flags.Set(o.name, args[0]); err != nil {
				return misuse("%w", err)
			}
			args = args[1:]
		}
	}
	if len(args) > 0 {
		return misuse("unexpected argument %q", args[0])
	}
	return nil
}

// fill turns names into ids, and adds where one works and what is changed.
func (q *request) fill(ctx context.Context, s *session) error {
	there := given(q.flags)
	var changed []string
	filled := map[string]string{} // fields by the flag that filled them
	for _, o := range q.options {
		if !there[o.name] {
			continue
		}
		if other := filled[o.field]; other != "" {
			return misuse("--%s and --%s exclude each other", other, o.name)
		}
		filled[o.field] = o.name
		changed = append(changed, o.field)
		if o.by != nil {
			id, err := s.find(ctx, o.by, q.flags.Lookup(o.name).Value.String())
			if err != nil {
				return err
			}
			q.set(o.field, id)
		}
	}
	for _, o := range q.options {
		if o.required && filled[o.field] == "" {
			return misuse("--%s is missing", o.name)
		}
	}
	if q.within != "" && filled[q.within] == "" {
		id, err := s.place(ctx, q.within)
		if err != nil {
			return err
		}
		q.set(q.within, id)
	}
	if mask := q.field("update_mask"); mask != nil {
		if len(changed) == 0 {
			return misuse("say what to change: %s", q.flagNames())
		}
		setMask(q.message, mask, changed)
	}
	return nil
}

func setMask(m protoreflect.Message, mask protoreflect.FieldDescriptor, paths []string) {
	v := m.NewField(mask).Message()
	list := v.Mutable(v.Descriptor().Fields().ByName("paths")).List()
	for _, p := range paths {
		list.Append(protoreflect.ValueOfString(p))
	}
	m.Set(mask, protoreflect.ValueOfMessage(v))
}

func (q *request) flagNames() string {
	var all []string
	for _, o := range q.options {
		all = append(all, "--"+o.name)
	}
	return strings.Join(all, ", ")
}

// about sends the request for one subject.
func (q *request) about(ctx context.Context, s *session, n named, send func() error) error {
	return s.subject(ctx, q.subject, n, func(id string) error {
		q.set(q.subject.field, id)
		if err := q.carryName(ctx, s, id); err != nil {
			return err
		}
		return send()
	})
}

// subject does something with the id of what a person named. What looks like an
// id is one, unless nothing is there and something has that name.
func (s *session) subject(ctx context.Context, x *subject, n named, do func(id string) error) error {
	if x.by == nil || n.how == "id" || n.how == "" && !looksLikeName(n.text) {
		return do(n.text)
	}
	if n.how == "" && looksLikeID(n.text) {
		err := do(n.text)
		if f, ok := errors.AsType[*Failure](err); !ok || f.Code != iam.NotFound {
			return err
		}
		id, ferr := s.find(ctx, x.by, n.text)
		if ferr != nil {
			return err
		}
		return do(id)
	}
	id, err := s.find(ctx, x.by, n.text)
	if err != nil {
		return err
	}
	return do(id)
}

// carryName puts the name that the thing has into a request that must have one.
func (q *request) carryName(ctx context.Context, s *session, id string) error {
	field := q.field("name")
	if q.name == "" || q.message.Has(field) {
		return nil
	}
	got, err := s.get(ctx, q.name, q.subject.field, id)
	if err != nil {
		return err
	}
	q.message.Set(field, protoreflect.ValueOfString(output.Field(got, "name")))
	return nil
}

// get calls a method that shows one thing.
func (s *session) get(ctx context.Context, method, field, id string) (protoreflect.Message, error) {
	in, out, err := types(method)
	if err != nil {
		return nil, err
	}
	request, answer := in.New(), out.New()
	request.Set(request.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOfString(id))
	return answer, s.call(ctx, method, request.Interface(), answer.Interface())
}

func (r rpc) show(ctx context.Context, s *session, q *request) error {
	answer := q.answer.New().Interface()
	if err := s.call(once(ctx), r.method, q.message.Interface(), answer); err != nil {
		return err
	}
	return s.print(ctx, answer)
}

func (r rpc) change(ctx context.Context, s *session, q *request) error {
	return s.change(ctx, r.method, q.message.Interface())
}

// once gives a call a key by which the server does it once, however often it
// arrives.
func once(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "idempotency-key", newUUID())
}

// list gathers and prints a list: of messages as a table, of texts as a list.
func (r rpc) list(ctx context.Context, s *session, q *request) error {
	var rows protoreflect.FieldDescriptor
	fields := q.answer.Descriptor().Fields()
	for i := range fields.Len() {
		if fields.Get(i).IsList() {
			rows = fields.Get(i)
			break
		}
	}
	if rows == nil {
		return fmt.Errorf("%s answers with no list", r.method)
	}
	all, err := pages(*q.limit, func(size int64, token string) ([]protoreflect.Value, string, error) {
		q.message.Set(q.field("page_size"), protoreflect.ValueOfInt64(size))
		q.message.Set(q.field("page_token"), protoreflect.ValueOfString(token))
		answer := q.answer.New()
		if err := s.call(ctx, r.method, q.message.Interface(), answer.Interface()); err != nil {
			return nil, "", err
		}
		list := answer.Get(rows).List()
		got := make([]protoreflect.Value, list.Len())
		for i := range got {
			got[i] = list.Get(i)
		}
		next := ""
		if field := fields.ByName("next_page_token"); field != nil {
			next = answer.Get(field).String()
		}
		return got, next, nil
	})
	if err != nil {
		return err
	}
	all = all[:min(int64(len(all)), *q.limit)]
	if rows.Message() == nil {
		return s.printTexts(ctx, all)
	}
	messages := make([]proto.Message, len(all))
	for i, v := range all {
		messages[i] = v.Message().Interface()
	}
	return s.printer().List(ctx, messages, r.columns)
}
