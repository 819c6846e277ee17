package cli_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/token"
)

// TestCaller: a caller's program gets tokens of the account and never his own,
// none that lives longer than his, and a new one of his own when that has ended.
func TestCaller(t *testing.T) {
	f := newFake(t)
	made := &iampb.CreateIamTokenResponse{}
	var refusal error
	f.answer = func(method string, request proto.Message) (proto.Message, error) {
		if method != "CreateForServiceAccount" || request.(*iampb.CreateIamTokenForServiceAccountRequest).GetServiceAccountId() != "ajefn" {
			t.Errorf("%s %v", method, request)
		}
		return made, refusal
	}
	now := time.Now()
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	caller := cli.NewCaller(cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t), "YC_FOLDER_ID=b1gfolder"},
		Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Now: func() time.Time { return now }}, flags)
	if err := errors.Join(flags.Parse(nil), caller.Check()); err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	if id := caller.FolderID(); id != "b1gfolder" {
		t.Errorf("folder %q", id)
	}
	ask := func(text string, own, life time.Duration) (iamclient.Token, error) {
		f.created = &iampb.CreateIamTokenResponse{IamToken: goodToken, ExpiresAt: timestamppb.New(now.Add(own))}
		made = &iampb.CreateIamTokenResponse{IamToken: text, ExpiresAt: timestamppb.New(now.Add(life))}
		return caller.TokenFor(t.Context(), "ajefn")
	}
	got, err := ask("t1.made.token", 12*time.Hour, time.Hour)
	if err != nil || got.Text.Reveal() != "t1.made.token" || !got.ReceivedAt.Equal(now) || got.ExpiresAt.Sub(now).Round(time.Second) != time.Hour {
		t.Errorf("%+v, %v", got, err)
	}
	if sent := f.headers[len(f.headers)-1].Get("authorization"); len(sent) != 1 || sent[0] != "Bearer "+goodToken {
		t.Errorf("%d headers", len(sent))
	}
	if got, err = ask("t1.made.token", time.Hour, 12*time.Hour); err != nil || got.ExpiresAt.Sub(now).Round(time.Second) != time.Hour {
		t.Errorf("a token that outlives the caller's: %v, %v", got.ExpiresAt.Sub(now), err)
	}
	for _, text := range []string{goodToken, "", "two words", "t1.a.b\r\nX: y"} {
		if got, err := ask(text, time.Hour, time.Hour); err == nil || got.Text.Reveal() != "" || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got, err := ask(signedFor(t, "ajefn", now), 12*time.Hour, time.Hour); err != nil || got.ExpiresAt.Sub(now) != time.Hour {
		t.Errorf("%v, %v", got.ExpiresAt.Sub(now), err)
	}
	others := signedFor(t, "ajeother", now)
	if got, err := ask(others, 12*time.Hour, time.Hour); err == nil || got.Text.Reveal() != "" || !strings.Contains(err.Error(), "a token of another account") || strings.Contains(err.Error(), others) {
		t.Errorf("the token of another account: %v", err)
	}
	refusal = iam.Errorf(iam.PermissionDenied, "no") // no status: the fake's answer is UNKNOWN
	if _, err := ask("t1.made.token", time.Hour, time.Hour); err == nil {
		t.Error("it was refused")
	}
}

// signedFor is an IAM token that says whose it is.
func signedFor(t *testing.T, subject string, now time.Time) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := token.Sign(&token.Claims{ID: "tok", KeyID: "sik", Installation: "ins", IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		SubjectType: token.SubjectServiceAccount, SubjectID: subject, OrganizationID: "bpf", FolderID: "b1g",
		DependsOn: []token.Dependency{{Kind: token.KindToken, ID: "tok"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
