package gate

import (
	"fmt"
	"sort"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Registrar remembers every service that is registered, so that doors other
// than gRPC call the same method through the same corridor, in process.
type Registrar struct {
	services []registered
	plain    []string
}

type registered struct {
	desc *grpc.ServiceDesc
	impl any
}

// RegisterService implements grpc.ServiceRegistrar.
func (r *Registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	r.services = append(r.services, registered{desc, impl})
}

// RegisterPlain remembers an endpoint that is no gRPC method, by the name that
// its rule has, such as "GET /.well-known/propusk/keys".
func (r *Registrar) RegisterPlain(name string) { r.plain = append(r.plain, name) }

// endpoint is one method with everything prepared for its calls.
type endpoint struct {
	rule   Rule
	method protoreflect.MethodDescriptor
	invoke methodHandler
	impl   any
	valid  *validator
	target protoreflect.FieldDescriptor // nil: the rule names no field
	stats  *stats

	// Nil unless the service has them.
	obvious func(proto.Message) bool
	quick   func([]byte, proto.Message) bool
}

// Obvious is for services whose messages come by the thousand: it tells of a
// message that it surely keeps every rule of its descriptor, so that these need
// not be looked up one by one. False says nothing.
type Obvious interface {
	Obvious(m proto.Message) bool
}

// QuickDecoder is for services whose messages come by the thousand: it fills an
// empty message as the framework would, or leaves it empty and says false.
type QuickDecoder interface {
	Decode(wire []byte, m proto.Message) bool
}

// check is INVALID_ARGUMENT for a message that breaks a rule of its descriptor.
func (ep *endpoint) check(m proto.Message) error {
	if ep.obvious != nil && ep.obvious(m) {
		return nil
	}
	return ep.valid.check(m, ep.rule.Target.Field)
}

type methodHandler = grpc.MethodHandler

// endpoints pairs rules with methods and refuses whatever does not fit: a
// method without a row, a row without a method, two rows, a field that the
// request has not, a permission that no role grants.
func endpoints(reg *Registrar, rules []Rule, known func(Rule) error) (map[string]*endpoint, error) {
	rows := make(map[string]Rule, len(rules))
	for _, r := range rules {
		if _, twice := rows[r.Method]; twice {
			return nil, fmt.Errorf("gate: two rules for %s", r.Method)
		}
		rows[r.Method] = r
	}
	out := make(map[string]*endpoint, len(rules))
	for _, name := range reg.plain {
		rule, ok := rows[name]
		if !ok {
			return nil, fmt.Errorf("gate: %s is registered and has no rule", name)
		}
		delete(rows, name)
		if rule.Proof != Open || rule.Permission != "" || rule.Effect != Reads {
			return nil, fmt.Errorf("gate: %s: a plain endpoint is open and changes nothing", name)
		}
		out[name] = &endpoint{rule: rule}
	}
	c := newCompiler()
	for _, s := range reg.services {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(s.desc.ServiceName))
		if err != nil {
			return nil, fmt.Errorf("gate: service %s has no descriptor: %w", s.desc.ServiceName, err)
		}
		sd := d.(protoreflect.ServiceDescriptor)
		if len(s.desc.Streams) > 0 {
			return nil, fmt.Errorf("gate: service %s has streams, which the corridor does not serve", sd.FullName())
		}
		for _, m := range s.desc.Methods {
			full := "/" + s.desc.ServiceName + "/" + m.MethodName
			rule, ok := rows[full]
			if !ok {
				return nil, fmt.Errorf("gate: %s is registered and has no rule", full)
			}
			delete(rows, full)
			md := sd.Methods().ByName(protoreflect.Name(m.MethodName))
			ep := &endpoint{rule: rule, method: md, invoke: m.Handler, impl: s.impl}
			if err := ep.prepare(c, known); err != nil {
				return nil, fmt.Errorf("gate: %s: %w", full, err)
			}
			out[full] = ep
			first := out["/"+s.desc.ServiceName+"/"+s.desc.Methods[0].MethodName].rule
			if (rule.Proof == Service) != (first.Proof == Service) {
				return nil, fmt.Errorf("gate: some methods of %s are for other services and some are not", sd.FullName())
			}
			if rule.Door != first.Door {
				return nil, fmt.Errorf("gate: some methods of %s are a door's own and some are not", sd.FullName())
			}
		}
	}
	for name := range rows {
		return nil, fmt.Errorf("gate: the rule of %s names no registered method", name)
	}
	return out, nil
}

func (ep *endpoint) prepare(c *compiler, known func(Rule) error) (err error) {
	r := ep.rule
	if r.Missing {
		return nil
	}
	if ep.valid, err = c.validator(ep.method.Input()); err != nil {
		return err
	}
	if o, ok := ep.impl.(Obvious); ok {
		ep.obvious = o.Obvious
	}
	if q, ok := ep.impl.(QuickDecoder); ok {
		ep.quick = q.Decode
	}
	if err := known(r); err != nil {
		return err
	}
	if (r.Effect != Reads) != (r.Event != "") {
		return fmt.Errorf("an audit event is named exactly for methods that change or issue something")
	}
	if r.Proof == Service && (r.Permission != "" || r.Effect != Reads) {
		return fmt.Errorf("what other services ask changes nothing, and its handler asks for their rights")
	}
	if r.Permission == "" && r.Why == "" && (r.Proof == Header || r.Proof == Service) {
		return fmt.Errorf("no permission, and no word about why none is needed")
	}
	if r.Permission != "" && r.Target.Field == "" {
		return fmt.Errorf("permission %s without a field that names the resource", r.Permission)
	}
	if f := r.Target.Field; f != "" {
		ep.target = ep.method.Input().Fields().ByName(protoreflect.Name(f))
		if ep.target == nil || ep.target.Kind() != protoreflect.StringKind || ep.target.IsList() {
			return fmt.Errorf("the request has no single string field %q", f)
		}
	}
	return nil
}

// MissingRules makes rows for every method of services that are registered
// only to say that they are not built, and for single methods ("pkg.S/M").
func MissingRules(names ...protoreflect.FullName) []Rule {
	var out []Rule
	for _, n := range names {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(n)
		if err != nil {
			continue // the registration that follows reports it with its name
		}
		switch d := d.(type) {
		case protoreflect.ServiceDescriptor:
			for i := range d.Methods().Len() {
				out = append(out, Rule{Method: path(d.Methods().Get(i)), Missing: true})
			}
		case protoreflect.MethodDescriptor:
			out = append(out, Rule{Method: path(d), Missing: true})
		}
	}
	return out
}

func path(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// Methods lists every registered method, sorted by name.
func (g *Gate) Methods() []protoreflect.MethodDescriptor {
	out := make([]protoreflect.MethodDescriptor, 0, len(g.endpoints))
	for _, ep := range g.endpoints {
		if ep.method != nil {
			out = append(out, ep.method)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].FullName() < out[j].FullName() })
	return out
}

// Built tells whether a method does its work, or answers UNIMPLEMENTED.
func (g *Gate) Built(method string) bool {
	ep, ok := g.endpoints[method]
	return ok && !ep.rule.Missing
}

// RuleOf returns the row of a method.
func (g *Gate) RuleOf(method string) (Rule, bool) {
	ep, ok := g.endpoints[method]
	if !ok {
		return Rule{}, false
	}
	return ep.rule, true
}
