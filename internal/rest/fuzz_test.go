package rest_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/rest"
)

var fuzzed = []proto.Message{
	&iampb.CreateIamTokenRequest{}, &iampb.UpdateServiceAccountRequest{}, &accesspb.UpdateAccessBindingsRequest{},
	&saml.CreateFederationRequest{}, &iampb.CreateApiKeyRequest{}, &operationpb.Operation{}, &structpb.Struct{},
}

// FuzzBody: whatever the bytes, the answer is a message, or INVALID_ARGUMENT
// in words of our own; and what is taken is what protojson takes.
func FuzzBody(f *testing.F) {
	files, _ := filepath.Glob("testdata/wire/*.txtar")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i, part := range txtar.Parse(data).Files {
			if _, body, ok := bytes.Cut(part.Data, []byte("\n\n")); ok && strings.HasSuffix(part.Name, ".request") {
				f.Add(bytes.TrimSuffix(body, []byte("\n")), uint8(i))
			}
		}
	}
	f.Add([]byte(`{"metadata":{"@type":"type.googleapis.com/yandex.cloud.iam.v1.Key","id":"x"}}`), uint8(5))
	f.Add([]byte(`{"a":[[{"b":null}]]}`), uint8(6))
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		m := fuzzed[int(which)%len(fuzzed)].ProtoReflect().New().Interface()
		err := rest.DecodeBody(body, m)
		plain := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		if len(bytes.TrimSpace(plain)) > 0 {
			same := m.ProtoReflect().New().Interface()
			if want := protojson.Unmarshal(plain, same); (want == nil) != (err == nil) && !strings.Contains(string(plain), strings.Repeat("[", 20)) && !strings.Contains(string(plain), strings.Repeat("{", 20)) {
				t.Fatalf("got %v, the decoder alone said %v", err, want)
			}
		}
		if err == nil {
			return
		}
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.InvalidArgument || e.Message == "" || !utf8.ValidString(e.Message) ||
			strings.Contains(e.Message, "proto:") || len(e.Message) > 2000 {
			t.Fatalf("refused with %v", err)
		}
	})
}

// FuzzRequestLine: whatever path and query, the answer is JSON, and a value
// that reaches a method holds no slash and nothing that is not UTF-8.
func FuzzRequestLine(f *testing.F) {
	for _, w := range ways(newFakeGate().methods) {
		f.Add(w.verb, w.path, "pageSize=1")
	}
	for _, s := range []string{"/iam/v1/keys/a%2Fb", "/iam/v1/keys/%2e%2e", "/operations/a%3Acancel", "/operations/:cancel", "/operations/a:b:cancel", "//", "/iam/v1/keys/%", "*", "/operations/%00"} {
		f.Add("GET", s, "a.b.c=%41&&=&a")
	}
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, verb, path, query string) {
		u, err := url.ParseRequestURI(path + "?" + query)
		if err != nil {
			return
		}
		r := &http.Request{Method: verb, URL: u, Header: http.Header{"Authorization": {"Bearer good"}}, Body: http.NoBody}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 501 && w.Code != 503 && w.Code != 500 {
			status(t, w)
		}
		if got := w.Body.String(); !utf8.ValidString(got) || strings.Contains(got, `"keyId":"a/`) {
			t.Fatalf("HTTP %d %s", w.Code, got)
		}
	})
}

func TestCompact(t *testing.T) {
	for in, want := range map[string]string{
		``: ``, `{}`: `{}`, `{ }`: `{}`, `{"a": 1, "b":[1, 2]}`: `{"a":1,"b":[1,2]}`,
		`{"a b": "c d\" e", "f": "\\", "g": " "}`: `{"a b":"c d\" e","f":"\\","g":" "}`,
		`"unterminated , `:                        `"unterminated , `,
	} {
		if got := rest.Compact(in); got != want {
			t.Errorf("Compact(%s) = %s, want %s", in, got, want)
		}
	}
}
