package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// TestRequests: what a command line asks of the server.
func TestRequests(t *testing.T) {
	f := newFake(t)
	f.answer = func(method string, _ proto.Message) (proto.Message, error) {
		switch method {
		case "Get":
			return &propuskpb.Resource{}, nil
		case "List":
			return &propuskpb.ListResourcesResponse{}, nil
		}
		return done(t, "op", &emptypb.Empty{}), nil
	}
	add := func(role, kind, id string) *accesspb.UpdateAccessBindingsRequest {
		return &accesspb.UpdateAccessBindingsRequest{ResourceId: "db", AccessBindingDeltas: []*accesspb.AccessBindingDelta{{
			Action: accesspb.AccessBindingAction_ADD, AccessBinding: bound(role, kind, id)}}}
	}
	for line, want := range map[string]proto.Message{
		"get db":               &propuskpb.GetResourceRequest{ResourceId: "db"},
		"get --format json db": &propuskpb.GetResourceRequest{ResourceId: "db"},
		"get db --format=json": &propuskpb.GetResourceRequest{ResourceId: "db"},
		"get --id db":          &propuskpb.GetResourceRequest{ResourceId: "db"},
		"get -- -odd":          &propuskpb.GetResourceRequest{ResourceId: "-odd"},
		"list --folder-id f --limit 5 --filter name=x": &propuskpb.ListResourcesRequest{ParentId: "f", PageSize: 5, Filter: "name=x"},
		"list --parent-id p":                           &propuskpb.ListResourcesRequest{ParentId: "p", PageSize: 1000},
		"create main --type ydb.database --folder-id f --id db --description d --labels a=b,c=": &propuskpb.CreateResourceRequest{
			ParentId: "f", Type: "ydb.database", Id: "db", Name: "main", Description: "d", Labels: map[string]string{"a": "b", "c": ""}},
		"update db --new-name n":             &propuskpb.UpdateResourceRequest{ResourceId: "db", Name: "n", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name"}}},
		"update --description= --labels= db": &propuskpb.UpdateResourceRequest{ResourceId: "db", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description", "labels"}}},
		"delete db":                          &propuskpb.DeleteResourceRequest{ResourceId: "db"},
		"add-access-binding db --role viewer --subject group:g":                      add("viewer", "group", "g"),
		"add-access-binding --role viewer --service-account-id a db":                 add("viewer", "serviceAccount", "a"),
		"add-access-binding db --role viewer --user-account-id u":                    add("viewer", "userAccount", "u"),
		"add-access-binding db --role viewer --all-authenticated-users":              add("viewer", "system", "allAuthenticatedUsers"),
		"add-access-binding db --role viewer --all-users":                            add("viewer", "system", "allUsers"),
		"add-access-binding db --role r --subject system:group:organization:o:users": add("r", "system", "group:organization:o:users"),
		"remove-access-binding db --role viewer --subject group:g": &accesspb.UpdateAccessBindingsRequest{ResourceId: "db", AccessBindingDeltas: []*accesspb.AccessBindingDelta{{
			Action: accesspb.AccessBindingAction_REMOVE, AccessBinding: bound("viewer", "group", "g")}}},
		"set-access-bindings db --none": &accesspb.SetAccessBindingsRequest{ResourceId: "db"},
		"set-access-bindings db --access-binding role=viewer,subject=group:g --access-binding service-account-id=a,role=editor": &accesspb.SetAccessBindingsRequest{
			ResourceId: "db", AccessBindings: []*accesspb.AccessBinding{bound("viewer", "group", "g"), bound("editor", "serviceAccount", "a")}},
	} {
		f.requests = nil
		f.run(t, nil, append([]string{"resource"}, strings.Fields(line)...)...).good(t)
		if len(f.requests) != 1 {
			t.Errorf("%s: %d requests", line, len(f.requests))
		} else if d := cmp.Diff(want, f.requests[0], protocmp.Transform()); d != "" {
			t.Errorf("%s:\n%s", line, d)
		}
	}
}

func bound(role, kind, id string) *accesspb.AccessBinding {
	return &accesspb.AccessBinding{RoleId: role, Subject: &accesspb.Subject{Type: kind, Id: id}}
}

func TestMisuse(t *testing.T) {
	f := newFake(t)
	for line, text := range map[string]string{
		"":                                  "say what to do",
		"sing":                              `no resource "sing"`,
		"get":                               "an id is missing",
		"get a b":                           "name one id",
		"get a --id b":                      "name one id",
		"get a --nope":                      "unknown flag: --nope",
		"get a --format xml":                `"xml" is none of text, yaml, json`,
		"get a --endpoint nowhere":          "not host:port",
		"get a --ca-file no/such.pem":       "--ca-file",
		"get a --ca-file x --plaintext":     "exclude each other",
		"get a --async":                     "unknown flag: --async",
		"get a --token x --key-file y":      "exclude each other",
		"get a --key-file no/such.json":     "key file",
		"list":                              "name one parent",
		"list --folder-id a --parent-id b":  "name one parent",
		"list --folder-id a b":              `unexpected argument "b"`,
		"list --folder-id a --limit 0":      "--limit: 0 is not above 0",
		"create --folder-id f":              "--type is missing",
		"create a b --folder-id f --type t": `unexpected argument "b"`,
		"create --type t":                   "name one parent",
		"create --type t --labels x":        "not key=value",
		"update db":                         "say what to change",
		"delete":                            "an id is missing",
		"add-access-binding db --subject group:g":                    "--role is missing",
		"add-access-binding db --role r":                             "name one subject",
		"add-access-binding db --role r --subject g":                 "is not TYPE:ID",
		"add-access-binding db --role r --subject a:b --all-users":   "name one subject",
		"set-access-bindings db":                                     "say what is to stay",
		"set-access-bindings db --none --access-binding role=r":      "say what is to stay",
		"set-access-bindings db --access-binding subject=group:g":    "names no role",
		"set-access-bindings db --access-binding role=r,colour=blue": "has no meaning",
	} {
		f.run(t, nil, append([]string{"resource"}, strings.Fields(line)...)...).misused(t, text)
	}
	f.run(t, []string{}, "resource", "get", "a").misused(t, "say who you are")
	f.run(t, []string{"YC_IAM_TOKEN=two words"}, "resource", "get", "a").misused(t, "not one word")
	f.run(t, nil, "access", "explain", "--subject", "a").misused(t, "--permission is missing")
	if len(f.asked) > 0 {
		t.Errorf("a misused command asked the server: %v", f.asked)
	}
	f.run(t, nil, "resource", "-h").helped(t, "add-access-binding")
	f.run(t, nil, "resource", "create", "-h").helped(t, "--folder-id text")
	f.run(t, nil, "resource", "create", "-h").helped(t, "--async ")
}

func TestCredentials(t *testing.T) {
	f := newFake(t)
	f.answer = func(string, proto.Message) (proto.Message, error) { return &propuskpb.Resource{Id: "db"}, nil }
	key := keyText(t)
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		environ []string
		args    []string
		calls   []string
		token   string
	}{
		"token in the environment":        {[]string{"YC_IAM_TOKEN=t1.env.x"}, nil, []string{"Get"}, "t1.env.x"},
		"its line's end is no part of it": {[]string{"YC_IAM_TOKEN=t1.env.x\n"}, nil, []string{"Get"}, "t1.env.x"},
		"token on the command line":       {[]string{"YC_IAM_TOKEN=t1.env.x"}, []string{"--token", "t1.flag.x"}, []string{"Get"}, "t1.flag.x"},
		"key file":                        {[]string{"YC_IAM_TOKEN=t1.env.x"}, []string{"--key-file", path}, []string{"Create", "Get"}, goodToken},
		"path in the environment":         {[]string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + path}, nil, []string{"Create", "Get"}, goodToken},
		"text in the environment":         {[]string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + key}, nil, []string{"Create", "Get"}, goodToken},
		"a token goes before a key":       {[]string{"YC_IAM_TOKEN=t1.env.x", "YC_SERVICE_ACCOUNT_KEY_FILE=" + path}, nil, []string{"Get"}, "t1.env.x"},
	} {
		f.asked, f.headers = nil, nil
		r := f.run(t, c.environ, append([]string{"resource", "get", "db", "--debug"}, c.args...)...)
		r.good(t)
		last := f.headers[len(f.headers)-1]
		if !slices.Equal(f.asked, c.calls) || !slices.Equal(last["authorization"], []string{"Bearer " + c.token}) || len(last["x-client-request-id"]) != 1 {
			t.Errorf("%s: calls %v with %v", what, f.asked, last)
		}
		if len(f.headers) == 2 && len(f.headers[0]["authorization"]) != 0 {
			t.Errorf("%s: the exchange carries a credential in its header too", what)
		}
		if want := fmt.Sprintf("debug: %s /propusk.v1.ResourceService/Get: OK in ", f.endpoint); !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "t1.") || strings.Contains(r.stderr, "eyJ") {
			t.Errorf("%s: --debug says %s", what, r.stderr)
		}
	}
}

func TestFailure(t *testing.T) {
	f := newFake(t)
	f.answer = func(string, proto.Message) (proto.Message, error) {
		s, err := status.New(codes.InvalidArgument, "bad \x1b[31m"+goodToken).WithDetails(
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "id", Description: "is odd"}}},
			&errdetails.RequestInfo{RequestId: "req-1"}, &errdetails.ErrorInfo{Reason: "R"})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}
	r := f.run(t, nil, "resource", "get", "db")
	want := `INVALID_ARGUMENT: bad \x1b[31m***
  id: is odd
  {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R"}
  request id: req-1`
	if r.err == nil || r.err.Error() != want || r.stdout != "" {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	gone := &fake{endpoint: "127.0.0.1:1"}
	if r := gone.run(t, nil, "resource", "get", "db"); r.err == nil || !strings.HasPrefix(r.err.Error(), "UNAVAILABLE: ") {
		t.Errorf("no server: %v", r.err)
	}
}

func TestInterrupted(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.answer = func(string, proto.Message) (proto.Message, error) {
		cancel()
		<-ctx.Done()
		return &operationpb.Operation{Id: "op1"}, nil
	}
	err := cli.Run(ctx, cli.Environment{Environ: []string{"YC_IAM_TOKEN=" + goodToken, "YC_ENDPOINT=" + f.endpoint}, Now: time.Now,
		Stdout: io.Discard, Stderr: io.Discard}, "resource", []string{"delete", "db"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestOutput(t *testing.T) {
	f := newFake(t)
	at := timestamppb.New(timestamppb.New(timeAt).AsTime())
	db := &propuskpb.Resource{Id: "db", Type: "ydb.database", ParentId: "f", Name: "0123", Labels: map[string]string{"yes": "no"}, CreatedAt: at}
	f.answer = func(method string, r proto.Message) (proto.Message, error) {
		if method == "Get" {
			return db, nil
		}
		token := r.(*propuskpb.ListResourcesRequest).GetPageToken()
		if token == "" {
			return &propuskpb.ListResourcesResponse{Resources: []*propuskpb.Resource{db}, NextPageToken: "next"}, nil
		}
		return &propuskpb.ListResourcesResponse{Resources: []*propuskpb.Resource{{Id: "odd", Name: "a\x1b[2J\nb"}}}, nil
	}
	for line, want := range map[string]string{
		"get db": `id: db
type: ydb.database
parent_id: f
name: "0123"
labels:
  "yes": "no"
created_at: "2026-03-01T12:00:00Z"
`,
		"get db --format json": `{
  "id": "db",
  "type": "ydb.database",
  "parent_id": "f",
  "name": "0123",
  "labels": {
    "yes": "no"
  },
  "created_at": "2026-03-01T12:00:00Z"
}
`,
		"list --folder-id f": `+-----+--------------+-------------+---------------------+
| ID  |     TYPE     |    NAME     |     CREATED AT      |
+-----+--------------+-------------+---------------------+
| db  | ydb.database | 0123        | 2026-03-01 12:00:00 |
| odd |              | a\x1b[2J\nb |                     |
+-----+--------------+-------------+---------------------+
`,
		"list --folder-id f --limit 1 --format yaml": `- id: db
  type: ydb.database
  parent_id: f
  name: "0123"
  labels:
    "yes": "no"
  created_at: "2026-03-01T12:00:00Z"
`,
	} {
		got := f.run(t, nil, append([]string{"resource"}, strings.Fields(line)...)...).good(t)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", line, d)
		}
	}
}

func TestOperations(t *testing.T) {
	f := newFake(t)
	polls := 0
	f.answer = func(method string, _ proto.Message) (proto.Message, error) {
		switch {
		case method == "Delete":
			return &operationpb.Operation{Id: "op1"}, nil
		case method == "Get" && polls == 0:
			polls++
			return &operationpb.Operation{Id: "op1"}, nil
		}
		return &operationpb.Operation{Id: "op1", Done: true, Result: &operationpb.Operation_Error{
			Error: &statuspb.Status{Code: int32(codes.FailedPrecondition), Message: "no"}}}, nil
	}
	if got := f.run(t, nil, "resource", "delete", "db", "--async").good(t); got != "id: op1\n" {
		t.Errorf("--async prints %q", got)
	}
	if key := f.headers[0]["idempotency-key"]; len(key) != 1 || len(key[0]) != 36 {
		t.Errorf("idempotency key %q", key)
	}
	f.asked = nil
	r := f.run(t, nil, "resource", "delete", "db")
	if r.err == nil || r.err.Error() != "FAILED_PRECONDITION: no" || !slices.Equal(f.asked, []string{"Delete", "Get", "Get"}) {
		t.Errorf("%v after %v", r.err, f.asked)
	}
	f.answer = func(string, proto.Message) (proto.Message, error) { return done(t, "op2", &emptypb.Empty{}), nil }
	if got := f.run(t, nil, "resource", "delete", "a", "b").good(t); got != "" {
		t.Errorf("deleting prints %q", got)
	}
}
