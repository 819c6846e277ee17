package cloudapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/propusktest"
)

// doREST is do through the other door, by the method's google.api.http option.
func (c *caller) doREST(t *testing.T, method string, req, into proto.Message, headers ...string) answer {
	t.Helper()
	verb, path, body := restOf(t, method, req)
	r := c.w.Do(t, verb, c.token, path, body, headers...)
	if r.Code == http.StatusOK {
		text := r.Body
		if field := ruleOf(t, method).GetResponseBody(); field != "" {
			text = slices.Concat([]byte(`{"`+field+`":`), text, []byte("}"))
		}
		if err := protojson.Unmarshal(text, into); err != nil {
			t.Errorf("%s %s: the answer is no %s: %v\n%s", verb, path, into.ProtoReflect().Descriptor().Name(), err, r.Body)
		}
		c.w.told(into)
		return answer{requestID: r.Header.Get("X-Request-Id")}
	}
	return c.w.failure(t, verb+" "+path, r)
}

// failure checks what holds for every failure of REST: a bare Status, its HTTP
// code, the ids, RequestInfo, and no secret.
func (w *world) failure(t *testing.T, what string, r *propusktest.Response) answer {
	t.Helper()
	st := new(spb.Status)
	if err := protojson.Unmarshal(r.Body, st); err != nil {
		t.Errorf("%s: %d is no google.rpc.Status: %v\n%.300s", what, r.Code, err, r.Body)
		return answer{code: codes.Unknown}
	}
	s := status.FromProto(st)
	a := answer{code: s.Code(), message: s.Message(), details: s.Details(), requestID: r.Header.Get("X-Request-Id")}
	switch r.Code {
	case gate.HTTPCode(st.GetCode()), http.StatusRequestEntityTooLarge, http.StatusMethodNotAllowed:
	default:
		t.Errorf("%s: HTTP %d with code %v", what, r.Code, a.code)
	}
	if a.requestID == "" || r.Header.Get("X-Server-Trace-Id") == "" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d without ids or type: %v", what, r.Code, r.Header)
	}
	if (r.Code == http.StatusUnauthorized) != (r.Header.Get("Www-Authenticate") == "Bearer") {
		t.Errorf("%s: %d with WWW-Authenticate %q", what, r.Code, r.Header.Get("Www-Authenticate"))
	}
	a.check(t, w, what)
	if found := w.shows(string(r.Body)); found != "" {
		t.Errorf("%s: the answer shows the secret %s", what, found)
	}
	return a
}

// ruleOf is a method's google.api.http option.
func ruleOf(t *testing.T, method string) *annotations.HttpRule {
	t.Helper()
	return proto.GetExtension(descriptorOf(t, fullMethod(method)).Options(), annotations.E_Http).(*annotations.HttpRule)
}

// restOf spells a request as its method's option has it.
func restOf(t *testing.T, method string, req proto.Message) (verb, path string, body any) {
	t.Helper()
	rule := ruleOf(t, method)
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		verb, path = "GET", p.Get
	case *annotations.HttpRule_Post:
		verb, path = "POST", p.Post
	case *annotations.HttpRule_Patch:
		verb, path = "PATCH", p.Patch
	case *annotations.HttpRule_Delete:
		verb, path = "DELETE", p.Delete
	default:
		t.Fatalf("%s has the pattern %v", method, p)
	}
	rest := proto.Clone(req).ProtoReflect()
	for {
		before, after, found := strings.Cut(path, "{")
		if !found {
			break
		}
		field, after, _ := strings.Cut(after, "}")
		fd := rest.Descriptor().Fields().ByName(protoreflect.Name(field))
		path = before + url.PathEscape(rest.Get(fd).String()) + after
		rest.Clear(fd)
	}
	text, err := protojson.Marshal(rest.Interface())
	if err != nil {
		t.Fatal(err)
	}
	if rule.GetBody() == "*" {
		return verb, path, text
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	query := url.Values{}
	flatten(query, "", fields)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return verb, path, nil
}

// flatten spells the fields of nested messages with dots and lists as often as
// they are long.
func flatten(query url.Values, before string, fields map[string]any) {
	for k, v := range fields {
		switch v := v.(type) {
		case map[string]any:
			flatten(query, before+k+".", v)
		case []any:
			for _, one := range v {
				query.Add(before+k, fmt.Sprint(one))
			}
		default:
			query.Set(before+k, fmt.Sprint(v))
		}
	}
}
