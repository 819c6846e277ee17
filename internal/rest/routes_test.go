package rest_test

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/propusk/propusk/internal/rest"
)

type way struct{ verb, path, method string }

var variable = regexp.MustCompile(`\{([a-z_]+)\}`)

// ways lists a request line for each method, with "v-<field>" in each variable.
func ways(methods []protoreflect.MethodDescriptor) (out []way) {
	for _, m := range methods {
		rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, w := range []way{{"GET", rule.GetGet(), ""}, {"POST", rule.GetPost(), ""}, {"PATCH", rule.GetPatch(), ""}, {"DELETE", rule.GetDelete(), ""}, {"PUT", rule.GetPut(), ""}} {
			if w.path == "" {
				continue
			}
			w.path = variable.ReplaceAllString(w.path, "v-$1")
			w.method = "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
			out = append(out, w)
		}
	}
	return out
}

// invented makes methods of a service whose http rules are given.
func invented(t *testing.T, rules ...*annotations.HttpRule) []protoreflect.MethodDescriptor {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("In"), Field: []*descriptorpb.FieldDescriptorProto{
			{Name: proto.String("id"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
			{Name: proto.String("list"), Number: proto.Int32(2), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()},
			{Name: proto.String("in"), Number: proto.Int32(3), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".t.In"), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
			{Name: proto.String("ins"), Number: proto.Int32(4), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".t.In"), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()},
			{Name: proto.String("map"), Number: proto.Int32(5), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".t.In.MapEntry"), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()},
			{Name: proto.String("odd"), Number: proto.Int32(6), JsonName: proto.String(`o"dd`), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()},
		}, NestedType: []*descriptorpb.DescriptorProto{{Name: proto.String("MapEntry"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}, Field: []*descriptorpb.FieldDescriptorProto{
			{Name: proto.String("key"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
			{Name: proto.String("value"), Number: proto.Int32(2), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
		}}}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S")}},
	}
	for i, r := range rules {
		o := &descriptorpb.MethodOptions{}
		proto.SetExtension(o, annotations.E_Http, r)
		file.Service[0].Method = append(file.Service[0].Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String("M" + string(rune('0'+i))), InputType: proto.String(".t.In"), OutputType: proto.String(".t.In"), Options: o})
	}
	fd, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	var out []protoreflect.MethodDescriptor
	for i := range rules {
		out = append(out, fd.Services().Get(0).Methods().Get(i))
	}
	return out
}

func get(path string) *annotations.HttpRule {
	return &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: path}}
}

func TestRoutesThatCannotBeServed(t *testing.T) {
	cases := []struct {
		name  string
		rules []*annotations.HttpRule
		want  string
	}{
		{"same path", []*annotations.HttpRule{get("/a/{id}"), get("/a/{in.id}")}, "is also"},
		{"word or value", []*annotations.HttpRule{get("/a/{id}/b"), get("/a/c/d")}, "may be a value or"},
		{"word or value with a verb", []*annotations.HttpRule{get("/a/{id}:x"), get("/a/c")}, "may be a value or"},
		{"same additional", []*annotations.HttpRule{{Pattern: get("/a").Pattern, AdditionalBindings: []*annotations.HttpRule{get("/a")}}}, "is also"},
		{"unknown field", []*annotations.HttpRule{get("/a/{x}")}, "no single field"},
		{"list", []*annotations.HttpRule{get("/a/{list}")}, "no single field"},
		{"message", []*annotations.HttpRule{get("/a/{in}")}, "is a message"},
		{"below a scalar", []*annotations.HttpRule{get("/a/{id.x}")}, "below a scalar"},
		{"several segments", []*annotations.HttpRule{get("/a/{id=**}")}, "exactly one segment"},
		{"pattern inside", []*annotations.HttpRule{get("/a/{id=b/*}")}, "exactly one segment"},
		{"field twice", []*annotations.HttpRule{get("/a/{id}/{id}")}, "one twice"},
		{"no slash", []*annotations.HttpRule{get("a")}, "does not begin"},
		{"empty segment", []*annotations.HttpRule{get("/a//b")}, "segment is empty"},
		{"empty verb", []*annotations.HttpRule{get("/a:")}, "verb is empty"},
		{"body of a field", []*annotations.HttpRule{{Pattern: &annotations.HttpRule_Post{Post: "/a"}, Body: "in"}}, "only a body"},
		{"body of the answer", []*annotations.HttpRule{{Pattern: get("/a").Pattern, ResponseBody: "x"}}, "response_body"},
		{"no pattern", []*annotations.HttpRule{{}}, "no pattern"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := rest.New(&fakeGate{methods: invented(t, c.rules...)}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestRoutesThatCan(t *testing.T) {
	ok := []*annotations.HttpRule{get("/a/{id=*}"), get("/a/word"), get("/b/{in.in.id}:x"), get("/b/{id}:y"), get("/b/{id}/c"), get("/b:z"),
		{Pattern: &annotations.HttpRule_Custom{Custom: &annotations.CustomHttpPattern{Kind: "LIST", Path: "/a/{id}"}}}}
	if _, err := rest.New(&fakeGate{methods: invented(t, ok...)}, nil); err != nil {
		t.Error(err)
	}
}
