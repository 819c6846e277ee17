package cli_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// runWith runs a command whose standard input holds something.
func (f *fake) runWith(t *testing.T, stdin, line string) ran {
	t.Helper()
	words := strings.Fields(line)
	var stdout, stderr bytes.Buffer
	err := cli.Run(t.Context(), cli.Environment{Environ: []string{"YC_IAM_TOKEN=" + goodToken, "YC_ENDPOINT=" + f.endpoint},
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Now: time.Now}, words[0], words[1:])
	return ran{stdout.String(), stderr.String(), err}
}

func TestIAM(t *testing.T) {
	f := newFake(t)
	ends := timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	f.answer = func(method string, _ proto.Message) (proto.Message, error) {
		switch method {
		case "Create":
			return &propuskpb.CreateIdTokenResponse{IdToken: "eyJ.e30.c2ln", ExpiresAt: ends}, nil
		case "Revoke":
			return &iampb.RevokeIamTokenResponse{SubjectId: "ajerobot"}, nil
		}
		return &propuskpb.RevokeResponse{SubjectId: "ajerobot"}, nil
	}
	const subject = "subject_id: ajerobot\n"
	for line, c := range map[string]struct {
		stdin  string
		want   proto.Message
		stdout string
	}{
		"iam create-id-token": {"", &propuskpb.CreateIdTokenRequest{}, "eyJ.e30.c2ln\n"},
		"iam create-id-token --subject-id aje1 --audience sts.amazonaws.com": {"",
			&propuskpb.CreateIdTokenRequest{ServiceAccountId: "aje1", Audience: "sts.amazonaws.com"}, "eyJ.e30.c2ln\n"},
		"iam create-id-token --format yaml":          {"", &propuskpb.CreateIdTokenRequest{}, "id_token: eyJ.e30.c2ln\nexpires_at: \"2026-03-01T12:00:00Z\"\n"},
		"iam revoke-token --iam-token t1.a.b":        {"", &iampb.RevokeIamTokenRequest{IamToken: "t1.a.b"}, subject},
		"iam revoke-token --iam-token -":             {" t1.c.d\n", &iampb.RevokeIamTokenRequest{IamToken: "t1.c.d"}, subject},
		"iam revoke-token -":                         {" t1.e.f\n", &iampb.RevokeIamTokenRequest{IamToken: "t1.e.f"}, subject},
		"iam revoke-token --format text -":           {"t1.e.f", &iampb.RevokeIamTokenRequest{IamToken: "t1.e.f"}, subject},
		"iam revoke --subject-id aje1":               {"", &propuskpb.RevokeSubjectRequest{SubjectId: "aje1"}, subject},
		"iam revoke --key-id aje2":                   {"", &propuskpb.RevokeCredentialRequest{CredentialId: "aje2"}, subject},
		"iam revoke --session-token - --format json": {"s1.x.y", &propuskpb.RevokeSessionRequest{SessionToken: "s1.x.y"}, "{\n  \"subject_id\": \"ajerobot\"\n}\n"},
	} {
		f.requests = nil
		r := f.runWith(t, c.stdin, line)
		if out := r.good(t); out != c.stdout || r.stderr != "" {
			t.Errorf("%s printed %q, want %q", line, out, c.stdout)
		}
		if len(f.requests) != 1 {
			t.Errorf("%s: %d requests", line, len(f.requests))
		} else if d := cmp.Diff(c.want, f.requests[0], protocmp.Transform()); d != "" {
			t.Errorf("%s:\n%s", line, d)
		}
	}
	f.requests = nil
	for line, text := range map[string]string{
		"iam revoke-token":                            "--iam-token is missing",
		"iam revoke-token --iam-token -":              "--iam-token is missing",
		"iam revoke-token -":                          "--iam-token is missing",
		"iam revoke-token - -":                        "the only argument is -",
		"iam revoke-token --iam-token t1.a.b -":       "the only argument is -",
		"iam revoke-token t1.shown.there":             "the only argument is -",
		"iam revoke":                                  "say what to end",
		"iam revoke --subject-id a --key-id b":        "say what to end",
		"iam revoke --key-id b --session-token c":     "say what to end",
		"iam revoke --subject-id a --session-token -": "say what to end",
		"iam revoke --session-token -":                "--session-token is missing",
		"iam create-id-token aje1":                    `unexpected argument "aje1"`,
		"iam sing":                                    `no command "propusk iam sing"`,
	} {
		f.runWith(t, " \n", line).misused(t, text)
	}
	if r := f.runWith(t, "", "iam revoke-token t1.shown.there"); strings.Contains(r.stdout+r.stderr+r.err.Error(), "shown") {
		t.Errorf("a token in the wrong place is repeated: %v", r.err)
	}
	if len(f.requests) > 0 {
		t.Errorf("a misused command asked the server: %v", f.requests)
	}
	f.runWith(t, "", "iam -h").helped(t, "create-id-token")
	f.runWith(t, "", "iam revoke-token -h").helped(t, "- reads it from standard input")
}
