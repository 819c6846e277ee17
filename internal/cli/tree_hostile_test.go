package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// anyServer answers every method of the API as it is told.
type anyServer struct {
	endpoint string
	answer   func(method string, request proto.Message) (proto.Message, error)
	asked    []proto.Message // but for discovery
}

func newAnyServer(t *testing.T, answer func(method string, request proto.Message) (proto.Message, error)) *anyServer {
	t.Helper()
	a := &anyServer{answer: answer}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		in, _, err := types(method)
		if err != nil {
			return status.Error(codes.Unimplemented, "no such method")
		}
		request := in.New().Interface()
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		if strings.HasPrefix(method, "/yandex.cloud.endpoint.") {
			return status.Error(codes.Unimplemented, "no discovery")
		}
		a.asked = append(a.asked, request)
		answer, err := a.answer(method[strings.LastIndex(method, "/")+1:], request)
		if err != nil {
			return err
		}
		return stream.SendMsg(answer)
	}))
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	a.endpoint = listener.Addr().String()
	return a
}

// run runs a command of the tree in folder b1g1 of cloud b1gcloud.
func (a *anyServer) run(t *testing.T, env Environment, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env.Stdout, env.Stderr, env.Now = &out, &errs, time.Now
	if env.Stdin == nil {
		env.Stdin = strings.NewReader("")
	}
	env.Environ = append(env.Environ, "YC_ENDPOINT="+a.endpoint, "YC_IAM_TOKEN=t1.good.token", "YC_FOLDER_ID=b1g1", "YC_CLOUD_ID=b1gcloud", "HOME="+t.TempDir())
	code = Main(t.Context(), env, "yc", args)
	return out.String(), errs.String(), code
}

// TestHostileNames: whatever a server calls its things, nothing of it reaches
// the terminal as a command to it.
func TestHostileNames(t *testing.T) {
	const evil = "\x1b]0;owned\a\x1b[2J\r\u202e\u009b31m`$(rm -r /)`\n| forged |"
	account := &iampb.ServiceAccount{Id: evil, Name: evil, Description: evil, Labels: map[string]string{evil: evil}, CreatedAt: timestamppb.Now()}
	server := newAnyServer(t, func(method string, _ proto.Message) (proto.Message, error) {
		switch method {
		case "List":
			return &iampb.ListServiceAccountsResponse{ServiceAccounts: []*iampb.ServiceAccount{account}}, nil
		case "ListAccessBindings":
			return &accesspb.ListAccessBindingsResponse{AccessBindings: []*accesspb.AccessBinding{{RoleId: evil, Subject: &accesspb.Subject{Id: evil, Type: evil}}}}, nil
		case "ListScopes":
			return &iampb.ListApiKeyScopesResponse{Scopes: []string{evil}}, nil
		case "Get":
			return account, nil
		}
		return nil, status.Error(codes.NotFound, evil)
	})
	for _, command := range []string{"iam service-account list", "iam service-account list-access-bindings --id x", "iam api-key list-scopes",
		"iam service-account get --id x", "iam service-account get --id x " + strings.Repeat("y", 20), "iam service-account delete --id x", "iam service-account suspend --id " + "x"} {
		for _, format := range []string{"text", "yaml", "json", "json-rest"} {
			for _, columns := range []int{0, 40} {
				stdout, stderr, _ := server.run(t, Environment{Columns: columns}, append(strings.Fields(command), "--format", format)...)
				for _, text := range []string{stdout, stderr} {
					if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
						t.Errorf("%s --format %s prints %q", command, format, text)
					}
					if strings.Contains(text, "\n| forged |") {
						t.Errorf("%s --format %s: a name makes a line of its own: %q", command, format, text)
					}
				}
				if stdout == "" && stderr == "" {
					t.Errorf("%s --format %s prints nothing", command, format)
				}
			}
		}
	}
}

// TestNames: what is an id, what a name, and what neither.
func TestNames(t *testing.T) {
	const idLike = "aje00000000000000000"
	accounts := map[string]string{"ajerobot000000000000": "robot", "ajetwin0000000000001": "twin", "ajetwin0000000000002": "twin", "ajehidden00000000000": idLike}
	server := newAnyServer(t, func(method string, request proto.Message) (proto.Message, error) {
		switch r := request.(type) {
		case *iampb.GetServiceAccountRequest:
			if name, ok := accounts[r.GetServiceAccountId()]; ok {
				return &iampb.ServiceAccount{Id: r.GetServiceAccountId(), Name: name}, nil
			}
			return nil, status.Error(codes.NotFound, "Service account "+r.GetServiceAccountId()+" not found")
		case *iampb.ListServiceAccountsRequest:
			answer := &iampb.ListServiceAccountsResponse{}
			for id, name := range accounts {
				if r.GetFilter() == fmt.Sprintf("name=%q", name) {
					answer.ServiceAccounts = append(answer.ServiceAccounts, &iampb.ServiceAccount{Id: id, Name: name})
				}
			}
			return answer, nil
		}
		return nil, status.Error(codes.Unimplemented, method)
	})
	for _, c := range []struct {
		args, want, stderr string
		code               int
	}{
		{"robot", "ajerobot000000000000", "", 0},
		{"ajerobot000000000000", "ajerobot000000000000", "", 0},
		{"--name robot", "ajerobot000000000000", "", 0},
		{"--id robot", "", "Service account robot not found", 1},
		{idLike, "ajehidden00000000000", "", 0}, // a name that looks like an id that is none
		{"--name ajerobot000000000000", "", `there is no service account named "ajerobot000000000000" in b1g1`, 1},
		{"twin", "", `2 service accounts in b1g1 have the name "twin": ajetwin000000000000`, 2},
		{"-- --name", "", "Service account --name not found", 1},
		{"nobody", "", `there is no service account named "nobody" in b1g1`, 1},
		{`--name a"OR"b`, "", "is no name of a service account", 2},
		{"", "", "name the service account: NAME|ID", 2},
	} {
		stdout, stderr, code := server.run(t, Environment{}, append([]string{"iam", "service-account", "get", "--jq", ".id"}, strings.Fields(c.args)...)...)
		if strings.TrimSpace(stdout) != c.want || code != c.code || !strings.Contains(stderr, c.stderr) {
			t.Errorf("get %s: %d, %q, %q", c.args, code, stdout, stderr)
		}
	}
	stdout, stderr, code := server.run(t, Environment{}, "iam", "service-account", "get", "robot", "nobody", "twin", "--format", "json", "--jq", ".[].id")
	if code != 1 || stdout != "ajerobot000000000000\n" || !strings.Contains(stderr, "nobody: ") || strings.Contains(stderr, "twin") {
		t.Errorf("one of several is missing: %d, %q, %q", code, stdout, stderr)
	}
}

// TestLists: pages are asked for as the limit wants, and a server that never
// ends its list does not keep the command for ever.
func TestLists(t *testing.T) {
	var sizes []int64
	endless := ""
	server := newAnyServer(t, func(_ string, request proto.Message) (proto.Message, error) {
		r, ok := request.(*iampb.ListRolesRequest)
		if !ok {
			return nil, status.Error(codes.Unimplemented, "")
		}
		sizes = append(sizes, r.GetPageSize())
		answer := &iampb.ListRolesResponse{NextPageToken: "next" + r.GetPageToken()}
		switch endless {
		case "same":
			answer.NextPageToken = "x"
			return answer, nil
		case "empty":
			answer.NextPageToken = fmt.Sprint(len(sizes))
			return answer, nil
		}
		for i := range r.GetPageSize() + 1 { // more than was asked for
			answer.Roles = append(answer.Roles, &iampb.Role{Id: fmt.Sprint(i)})
		}
		return answer, nil
	})
	for limit, want := range map[string][]int64{"1": {1}, "1000": {1000}, "2500": {1000, 1000, 498}} {
		sizes = nil
		stdout, stderr, code := server.run(t, Environment{}, "iam", "role", "list", "--limit", limit, "--jq", "length")
		if d := cmp.Diff(want, sizes); code != 0 || d != "" || strings.TrimSpace(stdout) != limit {
			t.Errorf("--limit %s: %d, %q, %q\n%s", limit, code, stdout, stderr, d)
		}
	}
	for _, endless = range []string{"same", "empty"} {
		if _, stderr, code := server.run(t, Environment{}, "iam", "role", "list"); code != 1 || !strings.Contains(stderr, "has no end") {
			t.Errorf("%s: %d, %q", endless, code, stderr)
		}
	}
	for _, limit := range []string{"0", "-1", "many", "99999999999999999999"} {
		if _, stderr, code := server.run(t, Environment{}, "iam", "role", "list", "--limit", limit); code != exitMisused {
			t.Errorf("--limit %s: %d, %q", limit, code, stderr)
		}
	}
}

// TestQuestions: what cannot be taken back is asked for where a person sits at
// the keyboard, and only there.
func TestQuestions(t *testing.T) {
	server := newAnyServer(t, func(string, proto.Message) (proto.Message, error) {
		none, _ := anypb.New(&accesspb.SetAccessBindingsMetadata{})
		return &operationpb.Operation{Id: "op", Done: true, Result: &operationpb.Operation_Response{Response: none}}, nil
	})
	keyboard := func() (func(), error) { return func() {}, nil }
	nobody := func() (func(), error) { return nil, errors.New("no terminal") }
	for _, c := range []struct {
		name, typed string
		hide        func() (func(), error)
		flags       []string
		sent        bool
	}{
		{"a person says yes", "y\n", keyboard, nil, true},
		{"a person says no", "n\n", keyboard, nil, false},
		{"a person says nothing", "", keyboard, nil, false},
		{"a person presses enter", "\n", keyboard, nil, false},
		{"a person says something else", "yesterday\n", keyboard, nil, false},
		{"a person has said yes", "", keyboard, []string{"-y"}, true},
		{"a script", "", nil, nil, true},
		{"a script without a terminal", "", nobody, nil, true},
	} {
		server.asked = nil
		args := append(strings.Fields("iam service-account set-access-bindings aje00000000000000000 --none"), c.flags...)
		_, stderr, code := server.run(t, Environment{Stdin: strings.NewReader(c.typed), HideTyping: c.hide}, args...)
		if (code == 0) != c.sent || (len(server.asked) > 0) != c.sent || !strings.Contains(stderr, "WARNING: all access bindings of aje") {
			t.Errorf("%s: %d, asked %d, %q", c.name, code, len(server.asked), stderr)
		}
	}
}

// TestSubjects: each way to name who has a role.
func TestSubjects(t *testing.T) {
	server := newAnyServer(t, func(_ string, request proto.Message) (proto.Message, error) {
		switch r := request.(type) {
		case *iampb.ListServiceAccountsRequest:
			return &iampb.ListServiceAccountsResponse{ServiceAccounts: []*iampb.ServiceAccount{{Id: "aje1", Name: "robot"}}}, nil
		case *iampb.GetUserAccountByLoginRequest:
			return &iampb.UserAccount{Id: "aje-" + r.GetLogin()}, nil
		case *iampb.ResolveServiceAgentRequest:
			return &iampb.ServiceAgent{ServiceAccountId: r.GetServiceId() + "." + r.GetMicroserviceId() + "." + r.GetResource().GetId()}, nil
		}
		return &operationpb.Operation{Id: "op", Done: true}, nil
	})
	for flags, want := range map[string]*accesspb.Subject{
		"--subject federatedUser:aje2":          {Type: "federatedUser", Id: "aje2"},
		"--subject system:group:a:b":            {Type: "system", Id: "group:a:b"},
		"--service-account-id aje3":             {Type: "serviceAccount", Id: "aje3"},
		"--service-account-name robot":          {Type: "serviceAccount", Id: "aje1"},
		"--user-account-id aje4":                {Type: "userAccount", Id: "aje4"},
		"--user-yandex-login alice":             {Type: "userAccount", Id: "aje-alice"},
		"--agent compute:vm":                    {Type: "serviceAccount", Id: "compute.vm.b1gcloud"},
		"--group-members aje5":                  {Type: "group", Id: "aje5"},
		"--organization-users bpf1":             {Type: "system", Id: "group:organization:bpf1:users"},
		"--federation-users bpf2":               {Type: "system", Id: "group:federation:bpf2:users"},
		"--all-authenticated-users":             {Type: "system", Id: "allAuthenticatedUsers"},
		"--all-users":                           {Type: "system", Id: "allUsers"},
		"--all-users=false --subject a:b":       {Type: "a", Id: "b"},
		"--all-users --all-authenticated-users": nil, "": nil, "--subject a": nil, "--subject a:": nil, "--agent compute": nil, "--service-account-name A": nil,
	} {
		server.asked = nil
		_, stderr, code := server.run(t, Environment{}, append([]string{"resource-manager", "folder", "add-access-binding", "--id", "b1g2", "--role", "viewer"}, strings.Fields(flags)...)...)
		if want == nil {
			if code != exitMisused {
				t.Errorf("%s: %d, %s", flags, code, stderr)
			}
			continue
		}
		r, _ := server.asked[len(server.asked)-1].(*accesspb.UpdateAccessBindingsRequest)
		got := r.GetAccessBindingDeltas()
		if code != 0 || len(got) != 1 {
			t.Fatalf("%s: %d, %s, %v", flags, code, stderr, got)
		}
		if d := cmp.Diff(want, got[0].GetAccessBinding().GetSubject(), protocmp.Transform()); d != "" {
			t.Errorf("%s:\n%s", flags, d)
		}
	}
}

func TestUntil(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"24h": now.Add(24 * time.Hour), "2030-01-02T03:04:05Z": time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), "0s": time.Unix(1, 0),
		"-1h": {}, "": {}, "soon": {}, "7": {},
	} {
		if got, err := until(text, now); !got.Equal(want) || (err != nil) != want.IsZero() {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// TestContent: a file is read whole or not at all.
func TestContent(t *testing.T) {
	s := &session{env: &Environment{Stdin: strings.NewReader("from input")}}
	path := filepath.Join(t.TempDir(), "policy")
	for _, size := range []int{0, mostContent, mostContent + 1} {
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := s.content("policy", path)
		if fits := size <= mostContent; (err == nil) != fits || fits && len(text) != size {
			t.Errorf("%d bytes: %d, %v", size, len(text), err)
		}
	}
	for value, want := range map[string]string{" {}": " {}", "-": "from input"} {
		if got, err := s.content("policy", value); err != nil || got != want {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
	for _, value := range []string{"", path + "-not", filepath.Dir(path)} {
		_, err := s.content("policy", value)
		if m, ok := errors.AsType[*Misuse](err); !ok || !strings.HasPrefix(m.Error(), "--policy") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// FuzzCompletion: whatever stands on a line, what is offered means nothing to a
// shell, one candidate a line.
func FuzzCompletion(f *testing.F) {
	for _, seed := range []string{"", "iam\x00sa\x00cr", "iam\x00key\x00create\x00--algorithm\x00", "--format\x00=\x00j", "--profile\x00", "-\x00--\x00", "--config=/dev/null\x00config\x00profile\x00get\x00",
		"help\x00iam\x00v0\x00v1\x00", "=", ":\x00=", "\"", "iam\x00role\x00list\x00--\x00-", "--x=\x00--limit=\x00"} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, words string) {
		var out bytes.Buffer
		env := &Environment{Stdout: &out, Stderr: &out, Environ: []string{"HOME=" + dir}}
		if err := complete(env, strings.Split(words, "\x00")); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !inert(word) || strings.IndexFunc(strings.Trim(line, "\n"), func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) >= 0 {
				t.Errorf("%q offers %q", words, line)
			}
		}
	})
}
