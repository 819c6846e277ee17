package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// iamCommands are those about tokens.
func iamCommands() []command {
	return []command{
		{noun: "iam", verb: "create-id-token", summary: "make an ID token, by which a service account proves itself to third parties", flags: createIDToken,
			example: "--subject-id aje… --audience https://service.example.com"},
		{noun: "iam", verb: "revoke-token", takes: "[-]", summary: "end an IAM token and all that was made with it", flags: revokeToken,
			example: "- <token.txt"},
		{noun: "iam", verb: "revoke", summary: "end the tokens and temporary keys of a subject, of a key, or of one session", flags: revoke,
			example: "--subject-id aje…\n--session-token - <session.txt"},
	}
}

func createIDToken(f *flag.FlagSet) action {
	var r propuskpb.CreateIdTokenRequest
	f.StringVar(&r.ServiceAccountId, "subject-id", "", "id of the service account; otherwise the one that asks")
	f.StringVar(&r.Audience, "audience", "", "whom the token is for; otherwise the account's id")
	return func(ctx context.Context, s *session, _ []string) error {
		answer := new(propuskpb.CreateIdTokenResponse)
		if err := s.call(ctx, propuskpb.IdTokenService_Create_FullMethodName, &r, answer); err != nil {
			return err
		}
		if s.format != "text" {
			return s.print(ctx, answer)
		}
		_, err := fmt.Fprintln(s.env.Stdout, answer.GetIdToken()) // alone, for scripts
		return err
	}
}

const visible = "; - reads it from standard input, because others on the machine can see a command's flags"

func revokeToken(f *flag.FlagSet) action {
	var text string
	f.StringVar(&text, "iam-token", "", "the token to end; required"+visible)
	return func(ctx context.Context, s *session, args []string) error {
		switch {
		case len(args) == 0:
		case len(args) == 1 && args[0] == "-" && text == "":
			text = "-"
		default: // and not repeated: it may be the token
			return misuse("the only argument is - for standard input: a token there could be seen by others on the machine")
		}
		text, err := s.secret("iam-token", text)
		if err != nil {
			return err
		}
		return s.show(ctx, iampb.IamTokenService_Revoke_FullMethodName, &iampb.RevokeIamTokenRequest{IamToken: text}, new(iampb.RevokeIamTokenResponse))
	}
}

func revoke(f *flag.FlagSet) action {
	var subject, key, text string
	f.StringVar(&subject, "subject-id", "", "id of the service account or person whose tokens and temporary keys end")
	f.StringVar(&key, "key-id", "", "id of the authorized key or static access key (aje…, not the YC… that it signs with); what was made with it ends, the key goes on working")
	f.StringVar(&text, "session-token", "", "session token of the temporary key to end"+visible)
	return func(ctx context.Context, s *session, _ []string) error {
		answer := new(propuskpb.RevokeResponse)
		switch {
		case subject != "" && key == "" && text == "":
			return s.show(ctx, propuskpb.RevocationService_RevokeSubject_FullMethodName, &propuskpb.RevokeSubjectRequest{SubjectId: subject}, answer)
		case key != "" && subject == "" && text == "":
			return s.show(ctx, propuskpb.RevocationService_RevokeCredential_FullMethodName, &propuskpb.RevokeCredentialRequest{CredentialId: key}, answer)
		case text != "" && subject == "" && key == "":
			text, err := s.secret("session-token", text)
			if err != nil {
				return err
			}
			return s.show(ctx, propuskpb.RevocationService_RevokeSession_FullMethodName, &propuskpb.RevokeSessionRequest{SessionToken: text}, answer)
		}
		return misuse("say what to end: one of --subject-id, --key-id and --session-token")
	}
}

// show calls a method and prints its answer.
func (s *session) show(ctx context.Context, method string, request, answer proto.Message) error {
	if err := s.call(ctx, method, request, answer); err != nil {
		return err
	}
	return s.print(ctx, answer)
}

// mostSecret is longer than any credential.
const mostSecret = 64 << 10

// secret is the value of a flag, or what standard input holds when that is "-".
func (s *session) secret(name, value string) (string, error) {
	if value == "-" {
		text, err := io.ReadAll(io.LimitReader(s.env.Stdin, mostSecret))
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		value = strings.TrimSpace(string(text))
	}
	if value == "" {
		return "", misuse("--%s is missing", name)
	}
	return value, nil
}
