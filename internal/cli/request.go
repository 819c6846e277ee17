package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

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
	subjects, err := q.subjects(s, args)
	if err != nil {
		return err
	}
	if err := q.fill(ctx, s); err != nil {
		return err
	}
	return s.together(ctx, subjects, func(n named) error { return q.send(ctx, s, n, send) })
}

// together does something with each of several things, until one fails, and
// prints what came of them as one list; of one thing it is printed alone.
func (s *session) together(ctx context.Context, all []named, do func(named) error) (err error) {
	if len(all) == 1 {
		return do(all[0])
	}
	s.gathering = true
	for _, n := range all {
		if err = do(n); err != nil {
			err = fmt.Errorf("%s: %w", printable(n.text), err)
			break
		}
	}
	s.gathering = false
	if s.format == "text" && s.filter == "" { // where nothing is no answer either
		s.gathered = slices.DeleteFunc(s.gathered, func(m proto.Message) bool { return proto.Size(m) == 0 })
	}
	if len(s.gathered) == 0 {
		return err
	}
	return errors.Join(err, s.printer().List(ctx, s.gathered, nil))
}

// subjects are what the command line says that the request is about.
func (q *request) subjects(s *session, args []string) (out []named, err error) {
	if s.organizationID == "" {
		s.organizationID = q.organization
	}
	for _, a := range args {
		out = append(out, named{a, ""})
	}
	if q.id != "" {
		out = append(out, named{q.id, "id"})
	}
	if q.byName != "" {
		out = append(out, named{q.byName, "name"})
	}
	ways := 0
	for _, way := range [...]bool{len(args) > 0, q.id != "", q.byName != ""} {
		if way {
			ways++
		}
	}
	switch {
	case ways > 1 && q.subject.many:
		return nil, misuse("name the %s one way: beside the flags, by --id or by --name", q.subject.thing)
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
		if err := q.make(ctx, s, o); err != nil {
			return err
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
	if q.complete != nil {
		return q.complete(ctx, s, q)
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

// send sends the request for one subject.
func (q *request) send(ctx context.Context, s *session, n named, send func() error) error {
	return s.subject(ctx, q.subject, n, func(id string) error {
		q.set(q.subject.field, id)
		if err := q.carryName(ctx, s, id); err != nil {
			return err
		}
		if q.about != nil {
			if err := q.about(ctx, s, q); err != nil {
				return err
			}
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
