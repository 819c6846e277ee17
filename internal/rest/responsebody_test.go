package rest_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/rest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// told is a gate of invented methods that all answer with one JSON text's message.
type told struct {
	methods []protoreflect.MethodDescriptor
	answer  string
}

func (g told) Methods() []protoreflect.MethodDescriptor { return g.methods }

func (g told) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	md := g.methods[0]
	if err := r.Decode(dynamicpb.NewMessage(md.Input())); err != nil {
		return &gate.Response{}, err
	}
	m := dynamicpb.NewMessage(md.Output())
	return &gate.Response{Message: m}, protojson.Unmarshal([]byte(g.answer), m)
}

func TestResponseBody(t *testing.T) {
	for _, c := range []struct{ field, answer, want string }{
		{"list", `{"list":["a","b"],"id":"left out"}`, `["a","b"]`},
		{"list", `{"list":[""]}`, `[""]`},
		{"list", `{"list":["\"]}","ü , :"]}`, `["\"]}","ü , :"]`},
		{"list", `{"id":"x"}`, `[]`},
		{"list", `{}`, `[]`},
		{"ins", `{"ins":[{"id":"a"},{},{"in":{"list":["x"]}}]}`, `[{"id":"a"},{},{"in":{"list":["x"]}}]`},
		{"map", `{"map":{"k":"v"},"list":["x"]}`, `{"k":"v"}`},
		{"map", `{"list":["x"]}`, `{}`},
		{"in", `{"in":{"id":"a"},"id":"b"}`, `{"id":"a"}`},
		{"in", `{"in":{}}`, `{}`},
		{"in", `{}`, `null`},
		{"", `{"id":"b","list":["x"]}`, `{"id":"b","list":["x"]}`},
	} {
		rule := get("/a")
		rule.ResponseBody = c.field
		d, err := rest.New(told{invented(t, rule), c.answer}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := send(d, httptest.NewRequest("GET", "/a", nil))
		if w.Code != 200 || w.Body.String() != c.want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%q of %s: %d %s, want %s", c.field, c.answer, w.Code, w.Body, c.want)
		}
	}
}

func TestResponseBodiesThatCannotBeServed(t *testing.T) {
	for _, field := range []string{"id", "x", "in.id", "odd"} {
		rule := get("/a")
		rule.ResponseBody = field
		if _, err := rest.New(told{methods: invented(t, rule)}, nil); err == nil {
			t.Errorf("response_body %q is served", field)
		}
	}
}

// The names of the partner protocol are snake_case both ways.
func TestLeakServiceNames(t *testing.T) {
	methods := propuskpb.File_propusk_v1_leak_service_proto.Services().Get(0).Methods()
	for name, answer := range map[string]string{"ListSecretTypes": `{"types":[{"type":"a","regex_matcher":"b"}]}`, "ReportSuspects": `{"statuses":["CONFIRMED"]}`} {
		md := methods.ByName(protoreflect.Name(name))
		rule := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule.GetResponseBody() == "" {
			t.Errorf("%s answers with an object", name)
		}
		m := dynamicpb.NewMessage(md.Output())
		if err := protojson.Unmarshal([]byte(answer), m); err != nil {
			t.Fatal(err)
		}
		if text, err := protojson.Marshal(m); err != nil || rest.Compact(string(text)) != answer {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}
