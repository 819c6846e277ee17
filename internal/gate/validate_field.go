package gate

import (
	"fmt"
	"regexp"
	"sort"

	"github.com/yandex-cloud/go-genproto/yandex/cloud"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// messageRules are the rules of one message type; shared between all places
// where the type occurs, so that types that contain themselves terminate.
type messageRules struct {
	fields []fieldRule // every field that has a rule
	oneofs []oneofRule
}

// fieldRule is all that must hold for one field of a message.
type fieldRule struct {
	fd     protoreflect.FieldDescriptor
	name   string
	member bool          // of a oneof, whose oneofRule calls it
	nested *messageRules // of a single message field
	check  func(*report, protoreflect.Message)
}

// mayBeEmpty is a oneof that its option wants set and its comment says may be
// left out, which means all of the caller's; clients do leave it out [API fact:
// RevokeRefreshTokenRequest].
const mayBeEmpty protoreflect.FullName = "yandex.cloud.iam.v1.RevokeRefreshTokenRequest.filter"

// oneofRule looks once which member is set, as asking each of them is slow.
type oneofRule struct {
	od         protoreflect.OneofDescriptor
	exactlyOne bool
	members    []fieldRule
}

func (mr *messageRules) check(r *report, m protoreflect.Message) {
	for i := range mr.fields {
		if f := &mr.fields[i]; !f.member {
			f.check(r, m)
		}
	}
	for i := range mr.oneofs {
		mr.oneofs[i].check(r, m)
	}
}

func (o *oneofRule) check(r *report, m protoreflect.Message) {
	fd := m.WhichOneof(o.od)
	if fd == nil {
		if o.exactlyOne {
			r.failIn(string(o.od.Name()), "One of the options must be selected")
		}
		return
	}
	for i := range o.members {
		if o.members[i].fd == fd {
			o.members[i].check(r, m)
		}
	}
}

func (mr *messageRules) empty() bool { return len(mr.fields) == 0 && len(mr.oneofs) == 0 }

// compiler turns descriptors into rules, each message type and each pattern
// once: the same few patterns are in hundreds of messages.
type compiler struct {
	seen     map[protoreflect.FullName]*messageRules
	patterns map[string]*regexp.Regexp
}

func newCompiler() *compiler {
	return &compiler{map[protoreflect.FullName]*messageRules{}, map[string]*regexp.Regexp{}}
}

func (c *compiler) pattern(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	p, err := c.patterns[text], error(nil)
	if p == nil {
		if p, err = regexp.Compile(`\A(?:` + text + `)\z`); err == nil {
			c.patterns[text] = p
		}
	}
	return p, err
}

func (c *compiler) message(md protoreflect.MessageDescriptor) (*messageRules, error) {
	if mr, ok := c.seen[md.FullName()]; ok {
		return mr, nil
	}
	mr := &messageRules{}
	c.seen[md.FullName()] = mr
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		rule, err := c.field(fd)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", fd.FullName(), err)
		}
		if rule.check != nil {
			mr.fields = append(mr.fields, rule)
		}
	}
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		rule := oneofRule{od: od, exactlyOne: proto.GetExtension(od.Options(), cloud.E_ExactlyOne).(bool) && od.FullName() != mayBeEmpty}
		for _, f := range mr.fields {
			if f.member && f.fd.ContainingOneof() == od {
				rule.members = append(rule.members, f)
			}
		}
		if rule.exactlyOne || len(rule.members) > 0 {
			mr.oneofs = append(mr.oneofs, rule)
		}
	}
	return mr, nil
}

func (c *compiler) field(fd protoreflect.FieldDescriptor) (fieldRule, error) {
	od := fd.ContainingOneof()
	rule := fieldRule{fd: fd, name: string(fd.Name()), member: od != nil && !od.IsSynthetic()}
	o := optionsOf(fd)
	var err error
	switch {
	case fd.IsMap():
		rule.check, err = c.mapField(fd, o)
	case fd.IsList():
		rule.check, err = c.listField(fd, o)
	default:
		rule.check, err = c.singleField(fd, o, rule.member)
		if md := fd.Message(); md != nil && err == nil && !wellKnown(md) {
			rule.nested, err = c.message(md)
		}
	}
	return rule, err
}

func (c *compiler) singleField(fd protoreflect.FieldDescriptor, o options, member bool) (func(*report, protoreflect.Message), error) {
	if err := o.only("pattern", "value", "length", "bytes"); err != nil {
		return nil, err
	}
	if o.required && fd.Kind() == protoreflect.BoolKind && !fd.HasPresence() {
		return nil, fmt.Errorf("a required bool cannot be told from false")
	}
	each, err := c.element(fd, o)
	if err != nil || each == nil && !o.required {
		return nil, err
	}
	name, required := string(fd.Name()), o.required
	filled, number := isFilled(fd.Kind()), isNumber(fd.Kind())
	if member { // demanded by exactly_one, not by itself, and asked only when set
		return func(r *report, m protoreflect.Message) { r.single(name, m.Get(fd), required, filled, each) }, nil
	}
	if fd.HasPresence() {
		return func(r *report, m protoreflect.Message) {
			if m.Has(fd) {
				r.single(name, m.Get(fd), required, filled, each)
			} else if required {
				r.failIn(name, mustBeSet)
			}
		}, nil
	}
	return func(r *report, m protoreflect.Message) {
		v := m.Get(fd)
		if number && !required && !filled(v) {
			return
		}
		r.single(name, v, required, filled, each)
	}, nil
}

const mustBeSet = "must be set"

func (r *report) single(name string, v protoreflect.Value, required bool, filled func(protoreflect.Value) bool, each elementRule) {
	r.enter(name)
	switch {
	case required && !filled(v):
		r.fail(mustBeSet)
	case each != nil:
		each(r, v)
	}
	r.leave()
}

func (c *compiler) listField(fd protoreflect.FieldDescriptor, o options) (func(*report, protoreflect.Message), error) {
	if err := o.only("pattern", "value", "length", "bytes", "size", "unique"); err != nil {
		return nil, err
	}
	if o.unique && fd.Message() != nil {
		return nil, fmt.Errorf("unique messages cannot be told apart")
	}
	size, err := parseCount(o.size)
	if err != nil {
		return nil, err
	}
	each, err := c.element(fd, o.element())
	if err != nil || each == nil && size == nil && !o.required && !o.unique {
		return nil, err
	}
	name := string(fd.Name())
	return func(r *report, m protoreflect.Message) {
		r.enter(name)
		defer r.leave()
		if !m.Has(fd) { // spares the reflection's allocation for an empty list
			r.count(0, o.required, size)
			return
		}
		l := m.Get(fd).List()
		n := l.Len()
		if !r.count(n, o.required, size) {
			return
		}
		for i := 0; each != nil && i < n && !r.full(); i++ {
			r.enterIndex(i)
			each(r, l.Get(i))
			r.leave()
		}
		if o.unique && n > 1 {
			r.unique(l)
		}
	}, nil
}

// count checks a number of elements; a wrong one spares looking at them.
func (r *report) count(n int, required bool, size *interval[int]) bool {
	switch {
	case required && n == 0:
		r.fail(mustBeSet)
	case size != nil && !size.holds(n):
		r.fail("must have " + size.text + " elements")
	default:
		return true
	}
	return false
}

func (r *report) unique(l protoreflect.List) {
	seen := make(map[any]struct{}, l.Len())
	for i := range l.Len() {
		v := l.Get(i).Interface()
		if b, ok := v.([]byte); ok {
			v = string(b)
		}
		if _, twice := seen[v]; twice {
			r.enterIndex(i)
			r.fail("must not repeat another element")
			r.leave()
			return
		}
		seen[v] = struct{}{}
	}
}

func (c *compiler) mapField(fd protoreflect.FieldDescriptor, o options) (func(*report, protoreflect.Message), error) {
	if err := o.only("pattern", "value", "length", "bytes", "size", "map_key"); err != nil {
		return nil, err
	}
	size, err := parseCount(o.size)
	if err != nil {
		return nil, err
	}
	key, err := c.element(fd.MapKey(), options{
		pattern: o.mapKey.GetPattern(), length: o.mapKey.GetLength(), value: o.mapKey.GetValue()})
	if err != nil {
		return nil, fmt.Errorf("map_key: %w", err)
	}
	each, err := c.element(fd.MapValue(), o.element())
	if err != nil || each == nil && key == nil && size == nil && !o.required {
		return nil, err
	}
	name := string(fd.Name())
	return func(r *report, m protoreflect.Message) {
		r.enter(name)
		defer r.leave()
		if !m.Has(fd) { // spares the reflection's allocation for an empty map
			r.count(0, o.required, size)
			return
		}
		if mm := m.Get(fd).Map(); r.count(mm.Len(), o.required, size) {
			r.entries(mm, key, each)
		}
	}, nil
}

func (r *report) entries(m protoreflect.Map, key, each elementRule) {
	from := len(r.violations)
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		r.enterKey(k.String())
		if key != nil {
			key(r, k.Value())
		}
		if each != nil {
			each(r, v)
		}
		r.leave()
		return !r.full()
	})
	at := len(r.path)
	clear(r.path[at:cap(r.path)]) // keys belong to the request, the report to a pool
	// A map has no order; the answer has one.
	added := r.violations[from:]
	sort.SliceStable(added, func(i, j int) bool { return added[i].Field < added[j].Field })
}
