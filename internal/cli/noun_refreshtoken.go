package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/token"
)

func refreshTokenNode() node {
	return node{word: "refresh-token", aliases: []string{"refresh-tokens"}, summary: "tokens by which programs stay signed in", below: []node{
		listRefreshTokens(), revokeRefreshTokens(),
	}}
}

func listRefreshTokens() node {
	var filters map[string]*string
	r := rpc{method: iampb.RefreshTokenService_List_FullMethodName, columns: []output.Column{
		{Title: "ID", Field: "id"}, {Title: "SUBJECT ID", Field: "subject_id"}, {Title: "CLIENT ID", Field: "client_id"},
		{Title: "CLIENT INSTANCE INFO", Field: "client_instance_info"}, {Title: "CREATED AT", Field: "created_at"}, {Title: "EXPIRES AT", Field: "expires_at"},
		{Title: "LAST USED AT", Field: "last_used_at"}, {Title: "PROTECTION LEVEL", Field: "protection_level"},
	}, options: []option{{name: "subject-id", field: "subject_id", usage: "whose; otherwise yours"}}}
	r.complete = func(ctx context.Context, s *session, q *request) error {
		q.set("filter", conditions(filters))
		return orSelf("subject_id")(ctx, s, q)
	}
	return r.lists("list", "list refresh tokens").with(func(f *flag.FlagSet) {
		filters = map[string]*string{
			"client_id":            f.String("client-id", "", "only those of this client"),
			"client_instance_info": f.String("client-instance-info", "", "only those of programs that call themselves so"),
			"protection_level":     f.String("protection-level", "", "only those of this level: "+strings.Join(choices(iampb.RefreshToken_ProtectionLevel(0).Descriptor()), ", ")),
		}
	}, nil)
}

// conditions is a filter of the API's language.
func conditions(fields map[string]*string) string {
	var all []string
	for _, name := range []string{"client_id", "client_instance_info", "protection_level"} {
		text := *fields[name]
		if text == "" {
			continue
		}
		if name == "protection_level" {
			text = strings.ToUpper(strings.ReplaceAll(text, "-", "_"))
		}
		all = append(all, fmt.Sprintf("%s=%q", name, text))
	}
	return strings.Join(all, " AND ")
}

func revokeRefreshTokens() node {
	r := rpc{method: iampb.RefreshTokenService_Revoke_FullMethodName, options: []option{
		{name: "refresh-token-id", field: "refresh_token_id", usage: "the token's id"},
		{name: "subject-id", field: "revoke_filter.subject_id", usage: "all of this person; otherwise yours"},
		{name: "client-id", field: "revoke_filter.client_id", usage: "only those of this client"},
		{name: "client-instance-info", field: "revoke_filter.client_instance_info", usage: "only those of programs that call themselves so"},
	}}
	var typed, yes *bool
	ways := [...][]string{{"refresh-token"}, {"refresh-token-id"}, {"subject-id", "client-id", "client-instance-info"}}
	r.complete = func(_ context.Context, s *session, q *request) error {
		there := given(q.flags)
		n := 0
		for _, way := range ways {
			if slices.ContainsFunc(way, func(name string) bool { return there[name] }) {
				n++
			}
		}
		switch {
		case n > 1:
			return misuse("--refresh-token, --refresh-token-id and the others exclude each other")
		case *typed:
			text, err := s.secret("refresh-token", "-")
			if err != nil {
				return err
			}
			q.set("refresh_token", text)
		case n == 0: // all of the caller's: the method wants one way to be named
			if !*yes {
				if err := s.sure("All your refresh tokens are going to be revoked. Continue? [y/N] "); err != nil {
					return err
				}
			}
			q.message.Mutable(q.field("revoke_filter"))
		}
		return nil
	}
	n := r.changes("revoke", "end refresh tokens, and what was made with them; without flags all of yours").like("--client-id yc.oauth.public-sdk\n--refresh-token <token.txt")
	inner := n.run.flags
	n.run.takes = "[-]"
	n.run.flags = func(f *flag.FlagSet) action {
		typed = f.Bool("refresh-token", false, "the token that standard input holds")
		yes = yesFlag(f)
		act := inner(f)
		return func(ctx context.Context, s *session, args []string) error {
			if *typed && len(args) == 1 && args[0] == "-" { // as elsewhere for standard input
				args = nil
			}
			if len(args) > 0 { // and not repeated: it may be the token
				return misuse("nothing stands beside the flags: a token there could be seen by others on the machine")
			}
			return act(ctx, s, args)
		}
	}
	return n
}

// orSelf has a field name the caller when nobody is named.
func orSelf(field string) func(context.Context, *session, *request) error {
	return func(ctx context.Context, s *session, q *request) error {
		if output.Field(q.message, field) != "" {
			return nil
		}
		id, err := s.self(ctx)
		if err == nil {
			q.set(field, id)
		}
		return err
	}
}

// self is the id of who calls.
func (s *session) self(ctx context.Context) (string, error) {
	if s.bearer.Reveal() == "" {
		if err := s.authenticate(ctx); err != nil {
			return "", err
		}
	}
	claims, err := token.ParseUnverified(s.bearer.Reveal())
	if err != nil {
		return "", misuse("the IAM token does not say whose it is: name the subject by its id")
	}
	return claims.SubjectID, nil
}
