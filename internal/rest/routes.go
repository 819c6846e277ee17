package rest

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// alsoPost are methods whose descriptor says GET and whose documentation says
// POST; both are served [API fact: irregular REST mappings].
var alsoPost = map[protoreflect.FullName]bool{
	"yandex.cloud.operation.OperationService.Cancel": true,
}

// newRouter reads the REST ways of methods from google.api.http. Methods
// without one are for gRPC alone.
func newRouter(methods []protoreflect.MethodDescriptor) (*router, error) {
	rt := &router{}
	for _, md := range methods {
		rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule == nil {
			continue
		}
		for _, b := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			if err := rt.bind(md, b); err != nil {
				return nil, fmt.Errorf("rest: %s: %w", md.FullName(), err)
			}
		}
	}
	if err := rt.check(); err != nil {
		return nil, fmt.Errorf("rest: ambiguous paths: %w", err)
	}
	return rt, nil
}

func (rt *router) bind(md protoreflect.MethodDescriptor, rule *annotations.HttpRule) error {
	verb, path := verbAndPath(rule)
	if verb == "" || path == "" {
		return fmt.Errorf("its http rule has no pattern")
	}
	if b := rule.GetBody(); b != "" && b != "*" {
		return fmt.Errorf("only a body of %q is served, not %q", "*", b)
	}
	answer, err := responseBody(md.Output(), rule.GetResponseBody())
	if err != nil {
		return err
	}
	t, err := parseTemplate(path)
	if err != nil {
		return err
	}
	r := &route{
		method: "/" + string(md.Parent().FullName()) + "/" + string(md.Name()),
		http:   verb, path: path, body: rule.GetBody() == "*", input: md.Input(),
		inPath: map[string]bool{}, ignores: verb == "GET", answer: answer,
	}
	for _, p := range t.pieces {
		if p.field == "" {
			continue
		}
		fields, err := fieldPath(md.Input(), p.field)
		if err != nil {
			return fmt.Errorf("path %q: %w", path, err)
		}
		r.fields = append(r.fields, fields)
		r.inPath[p.field] = true
	}
	if len(r.fields) > maxFields || len(r.fields) != len(r.inPath) {
		return fmt.Errorf("path %q has too many fields or one twice", path)
	}
	if err := rt.add(t, r); err != nil {
		return err
	}
	if alsoPost[md.FullName()] && verb != "POST" {
		post := *r
		post.http, post.body, post.ignores = "POST", true, false
		return rt.add(t, &post)
	}
	return nil
}

func verbAndPath(rule *annotations.HttpRule) (verb, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET", p.Get
	case *annotations.HttpRule_Put:
		return "PUT", p.Put
	case *annotations.HttpRule_Post:
		return "POST", p.Post
	case *annotations.HttpRule_Delete:
		return "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		return "PATCH", p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

// fieldPath resolves a dotted path of proto names to single fields that end in
// a scalar.
func fieldPath(md protoreflect.MessageDescriptor, name string) ([]protoreflect.FieldDescriptor, error) {
	var out []protoreflect.FieldDescriptor
	for part := range strings.SplitSeq(name, ".") {
		if md == nil {
			return nil, fmt.Errorf("field %q goes below a scalar", name)
		}
		fd := md.Fields().ByName(protoreflect.Name(part))
		if fd == nil || fd.IsList() || fd.IsMap() {
			return nil, fmt.Errorf("%s has no single field %q", md.FullName(), name)
		}
		out = append(out, fd)
		md = fd.Message()
	}
	if md != nil {
		return nil, fmt.Errorf("field %q is a message", name)
	}
	return out, nil
}
