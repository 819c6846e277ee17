package cli

import (
	"context"
	"flag"
	"fmt"
	"math"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/resource"
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
	// complete fills what no flag says, before the request is sent.
	complete func(ctx context.Context, s *session, q *request) error
	// about fills what depends on which thing the request is about.
	about func(ctx context.Context, s *session, q *request) error
}

// subject is the thing that a command is about, which stands beside the flags.
type subject struct {
	thing string // "service account"
	field string // of the request, for its id
	by    *finder
	many  bool
	flag  string // another name of --id, when there is one
}

// option is a flag that fills a field.
type option struct {
	name, usage string
	field       string // with a dot into what is nested
	required    bool
	beside      bool    // it may stand beside the flags instead
	by          *finder // the value is a name, and the field takes the id
	secret      bool    // - reads it from standard input
	file        bool    // it may be the name of a file that holds it
	ahead       bool    // of a time: it may be how long it is until then
}

func (o option) reads() reading {
	switch {
	case o.by != nil:
		return aName
	case o.secret:
		return aSecret
	case o.file:
		return aFile
	case o.ahead:
		return aTimeAhead
	}
	return itself
}

// gets is a command that shows what it is about: one thing, or several one
// after another. People know it by other words too [API fact: the reference].
func (r rpc) gets(summary string) node {
	about := *r.subject
	about.many = true
	r.subject = &about
	n := r.shows("get", summary)
	n.aliases = []string{"describe", "show"}
	n.run.aliases = n.aliases
	return n
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

	organization string // in which the subject's name is looked for
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
		singleVar(f, &q.id, "id", "id of the "+r.subject.thing+"; may stand beside the flags")
		if r.subject.flag != "" {
			singleVar(f, &q.id, r.subject.flag, "the same as --id")
		}
		if r.subject.by != nil {
			singleVar(f, &q.byName, "name", "name of the "+r.subject.thing+"; may stand beside the flags")
		}
	}
	for _, o := range r.options {
		v := &value{into: q.message, reads: o.reads()}
		if v.nested, v.field = q.path(o.field); v.field == nil {
			return nil, fmt.Errorf("%s has no field %s for --%s", q.message.Descriptor().FullName(), o.field, o.name)
		}
		usage := o.usage
		if o.secret {
			usage += visible
		}
		if o.required {
			usage += "; required"
		}
		f.Var(v, o.name, usage)
	}
	if q.field("page_size") != nil {
		q.limit = limitFlag(f)
	}
	if r.subject != nil {
		r.subject.where(f, &q.organization)
	}
	return q, nil
}

// where declares in which organization a name is looked for, when that matters
// and no flag says it yet.
func (x *subject) where(f *flag.FlagSet, organization *string) {
	if x.by != nil && x.by.within == "organization_id" && f.Lookup("organization-id") == nil {
		f.StringVar(organization, "organization-id", "", "the organization in which a name is looked for; otherwise $YC_ORGANIZATION_ID, otherwise the profile's")
	}
}

func (q *request) field(name string) protoreflect.FieldDescriptor {
	return q.message.Descriptor().Fields().ByName(protoreflect.Name(name))
}

// path finds a field, and the one that it is nested in.
func (q *request) path(name string) (nested, field protoreflect.FieldDescriptor) {
	outer, inner, dotted := strings.Cut(name, ".")
	field = q.field(outer)
	if !dotted || field == nil || field.Message() == nil {
		return nil, field
	}
	return field, field.Message().Fields().ByName(protoreflect.Name(inner))
}

// set gives a field of text its value.
func (q *request) set(name, text string) {
	nested, field := q.path(name)
	into := q.message
	if nested != nil {
		into = into.Mutable(nested).Message()
	}
	into.Set(field, protoreflect.ValueOfString(text))
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
	return metadata.AppendToOutgoingContext(ctx, idempotencyHeader, resource.NewUUID())
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
	limit := int64(math.MaxInt64)
	if q.limit != nil {
		limit = *q.limit
	}
	all, err := pages(limit, func(size int64, token string) ([]protoreflect.Value, string, error) {
		if q.limit != nil {
			q.message.Set(q.field("page_size"), protoreflect.ValueOfInt64(size))
			q.message.Set(q.field("page_token"), protoreflect.ValueOfString(token))
		}
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
	if rows.Message() == nil {
		return s.printTexts(ctx, all)
	}
	messages := make([]proto.Message, len(all))
	for i, v := range all {
		messages[i] = v.Message().Interface()
	}
	return s.printer().List(ctx, messages, r.columns)
}
