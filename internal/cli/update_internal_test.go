package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// TestUpdates: a change names what it changes and nothing else, labels that are
// not spoken of stay, and a name is that of one thing even where the server
// takes no filter.
func TestUpdates(t *testing.T) {
	robot := &iampb.ServiceAccount{Id: "aje1", Name: "robot", Description: "old", Labels: map[string]string{"a": "1", "b": "2"}}
	server := newAnyServer(t, func(method string, request proto.Message) (proto.Message, error) {
		switch request.(type) {
		case *iampb.GetServiceAccountRequest:
			return robot, nil
		case *iampb.ListServiceAccountsRequest:
			return &iampb.ListServiceAccountsResponse{ServiceAccounts: []*iampb.ServiceAccount{{Id: "aje0", Name: "other"}, robot, {Id: "aje2", Name: "robot2"}}}, nil
		case *iampb.UpdateServiceAccountRequest:
			return &operationpb.Operation{Id: "op", Done: true, Result: &operationpb.Operation_Response{Response: packed(t, robot)}}, nil
		}
		return nil, status.Error(codes.Unimplemented, method)
	})
	mask := func(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }
	for line, want := range map[string]*iampb.UpdateServiceAccountRequest{
		"update robot --description new":             {Name: "robot", Description: "new", UpdateMask: mask("description")},
		"update --id aje1 --description=":            {Name: "robot", UpdateMask: mask("description")},
		"update robot --new-name n --labels c=3":     {Name: "n", Labels: map[string]string{"c": "3"}, UpdateMask: mask("name", "labels")},
		"update robot --labels c=3 --labels d=4,c=5": {Name: "robot", Labels: map[string]string{"c": "5", "d": "4"}, UpdateMask: mask("labels")},
		"update robot --labels=":                     {Name: "robot", UpdateMask: mask("labels")},
		"add-labels robot --labels b=3,c=4":          {Name: "robot", Labels: map[string]string{"a": "1", "b": "3", "c": "4"}, UpdateMask: mask("labels")},
		"remove-labels robot --labels b,nope":        {Name: "robot", Labels: map[string]string{"a": "1"}, UpdateMask: mask("labels")},
		"remove-labels --name robot --labels a=1,b":  {Name: "robot", UpdateMask: mask("labels")},
	} {
		server.asked = nil
		stdout, stderr, code := server.run(t, Environment{}, append([]string{"iam", "service-account"}, strings.Fields(line)...)...)
		if code != 0 || len(server.asked) == 0 {
			t.Fatalf("%s: %d, %q, %q", line, code, stdout, stderr)
		}
		want.ServiceAccountId = "aje1"
		if d := cmp.Diff(proto.Message(want), server.asked[len(server.asked)-1], protocmp.Transform()); d != "" {
			t.Errorf("%s:\n%s", line, d)
		}
	}
}

// TestFilterAfterChange: a filter that cannot be read stops a command before
// anything is sent; one that fails on the answer does not say that nothing was
// changed.
func TestFilterAfterChange(t *testing.T) {
	server := newAnyServer(t, func(string, proto.Message) (proto.Message, error) {
		return &operationpb.Operation{Id: "op", Done: true, Result: &operationpb.Operation_Response{Response: packed(t, &iampb.ServiceAccount{Name: "x"})}}, nil
	})
	for filter, want := range map[string]int{".[": exitMisused, "nope": exitMisused, "input": exitMisused, ".name.x": exitFailed, `error("x")`: exitFailed, `"x"|halt_error`: exitFailed} {
		server.asked = nil
		_, stderr, code := server.run(t, Environment{}, "iam", "service-account", "create", "x", "--jq", filter)
		if code != want || (len(server.asked) > 0) != (want == exitFailed) || !strings.Contains(stderr, "ERROR: --jq: ") {
			t.Errorf("%s: %d, asked %d, %q", filter, code, len(server.asked), stderr)
		}
	}
	if _, stderr, code := server.run(t, Environment{}, "config", "list", "--jq", ".["); code != exitMisused {
		t.Errorf("%d, %q", code, stderr)
	}
}

// TestDiscoveryLeavesOut: a service that the server does not name is asked
// nowhere, not where another is.
func TestDiscoveryLeavesOut(t *testing.T) {
	s := &session{env: &Environment{}, endpoint: "127.0.0.1:1", discovers: true, addresses: map[string]string{"iam": "127.0.0.1:2"}}
	for method, want := range map[string]string{
		"/yandex.cloud.iam.v1.RoleService/List":                      "127.0.0.1:2",
		"/yandex.cloud.iam.v1.awscompatibility.AccessKeyService/Get": "127.0.0.1:2",
		"/propusk.v1.ResourceService/Get":                            "127.0.0.1:1",
		"/yandex.cloud.resourcemanager.v1.FolderService/List":        "",
		"/yandex.cloud.operation.OperationService/Get":               "",
	} {
		got, err := s.addressOf(t.Context(), method)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", method, got, err)
		}
	}
	s.addresses = map[string]string{}
	if got, err := s.addressOf(t.Context(), "/yandex.cloud.operation.OperationService/Get"); got != s.endpoint || err != nil {
		t.Errorf("a server without discovery: %q, %v", got, err)
	}
}

// TestTwice: of two things where one is meant, none is silently left out.
func TestTwice(t *testing.T) {
	server := newAnyServer(t, func(string, proto.Message) (proto.Message, error) {
		return &operationpb.Operation{Id: "op", Done: true}, nil
	})
	for line, want := range map[string]string{
		"folder remove-access-binding --id x --role viewer --subject a:b --subject a:c":          "--subject: it stands there twice",
		"folder remove-access-binding --id x --role viewer --role editor --subject a:b":          "--role: it stands there twice",
		"folder remove-access-binding --id x --id y --role editor --subject a:b":                 "--id: it stands there twice",
		"folder remove-access-binding --name x --name y --role editor --subject a:b":             "--name: it stands there twice",
		"folder set-access-bindings --id x --access-binding role=viewer,role=editor,subject=a:b": "names two roles",
		"folder set-access-bindings --id x --access-binding role=viewer,subject=a:b,subject=a:c": "names two subjects",
		"folder set-access-bindings --id x --id y --access-binding role=viewer,subject=a:b":      "--id: it stands there twice",
		"folder delete --id x --id y":                                         "--id: it stands there twice",
		"folder delete x --cloud-id c --folder-id x --folder-name y --name z": "name the folder one way",
		"folder delete --name x --name y":                                     "--name: it stands there twice",
	} {
		server.asked = nil
		if _, stderr, code := server.run(t, Environment{}, append([]string{"resource-manager"}, strings.Fields(line)...)...); code != exitMisused || !strings.Contains(stderr, want) || len(server.asked) > 0 {
			t.Errorf("%s: %d, asked %d, %q", line, code, len(server.asked), stderr)
		}
	}
	if _, stderr, code := server.run(t, Environment{}, strings.Fields("iam service-account list --folder-id x --folder-name y")...); code != exitMisused || !strings.Contains(stderr, "--folder-id and --folder-name exclude each other") {
		t.Errorf("%d, %q", code, stderr)
	}
	for _, line := range []string{
		"folder add-access-binding --id x --id x --role viewer --role=viewer --subject a:b --subject a:b",
		"folder delete --id x --folder-id a --folder-id b --format json --format text",
	} {
		if _, stderr, code := server.run(t, Environment{}, append([]string{"resource-manager"}, strings.Fields(line)...)...); code != 0 {
			t.Errorf("%s: %d, %q", line, code, stderr)
		}
	}
	if _, stderr, code := server.run(t, Environment{}, "resource-manager", "folder", "set-access-bindings", "--id", "x", "--access-binding", "role=viewer, subject=a:b"); code != 0 {
		t.Errorf("a space: %d, %q", code, stderr)
	}
}
