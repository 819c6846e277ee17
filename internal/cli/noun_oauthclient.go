package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/output"
)

func oauthClients() *finder {
	return &finder{"OAuth client", iampb.OAuthClientService_List_FullMethodName, "folder_id"}
}

func oauthClientNode() node {
	about := &subject{thing: "OAuth client", field: "oauth_client_id", by: oauthClients()}
	several := &subject{thing: about.thing, field: about.field, by: about.by, many: true}
	more := []option{
		{name: "redirect-uris", field: "redirect_uris", usage: "where people may be sent back to"},
		{name: "post-logout-redirect-uris", field: "post_logout_redirect_uris", usage: "the same after signing out"},
		{name: "scopes", field: "scopes", usage: "what it may ask for"},
		{name: "authentication-methods", field: "authentication_methods", usage: "how it proves itself"},
		{name: "pkce-required", field: "pkce_required", usage: "no code without PKCE"},
	}
	titles := []output.Column{{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}}
	return node{word: "oauth-client", aliases: []string{"oauth-clients"}, summary: "programs that people sign in to", below: []node{
		rpc{method: iampb.OAuthClientService_Create_FullMethodName, within: "folder_id", options: append([]option{
			{name: "name", field: "name", usage: "its name, once in a folder; may stand beside the flags", beside: true, required: true},
			{name: "profile-id", field: "profile_id", usage: "what kind of program it is; list-profiles says which there are"},
		}, more...)}.changes("create", "make an OAuth client").like("wiki --profile-id web --redirect-uris https://wiki.example.com/callback"),
		rpc{method: iampb.OAuthClientService_Get_FullMethodName, subject: about}.gets("show an OAuth client"),
		rpc{method: iampb.OAuthClientService_List_FullMethodName, within: "folder_id", columns: titles}.lists("list", "list the OAuth clients of a folder"),
		rpc{method: iampb.OAuthClientService_ListProfiles_FullMethodName, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "AUTHENTICATION METHODS", Field: "authentication_methods_allowed_values"},
		}}.lists("list-profiles", "list the kinds of programs that there are"),
		rpc{method: iampb.OAuthClientService_Update_FullMethodName, subject: about,
			options: append([]option{{name: "new-name", field: "name", usage: "its new name"}}, more...)}.changes("update", "change an OAuth client"),
		rpc{method: iampb.OAuthClientService_Delete_FullMethodName, subject: several}.changes("delete", "delete OAuth clients with their secrets"),
	}}
}

func oauthClientSecretNode() node {
	about := &subject{thing: "secret", field: "oauth_client_secret_id"}
	several := &subject{thing: about.thing, field: about.field, many: true}
	client := []option{
		{name: "oauth-client-id", field: "oauth_client_id", usage: "the OAuth client; it or --oauth-client-name is required", required: true},
		{name: "oauth-client-name", field: "oauth_client_id", usage: "the same by its name", by: oauthClients()},
	}
	return node{word: "oauth-client-secret", aliases: []string{"oauth-client-secrets"}, summary: "secrets by which OAuth clients prove themselves", below: []node{
		createSecret(rpc{method: iampb.OAuthClientSecretService_Create_FullMethodName, options: append(client, description())}),
		rpc{method: iampb.OAuthClientSecretService_Get_FullMethodName, subject: about}.gets("show what is known of a secret"),
		rpc{method: iampb.OAuthClientSecretService_List_FullMethodName, options: client, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "DESCRIPTION", Field: "description"}, {Title: "MASKED SECRET", Field: "masked_secret"}, {Title: "CREATED AT", Field: "created_at"},
		}}.lists("list", "list the secrets of an OAuth client"),
		rpc{method: iampb.OAuthClientSecretService_Delete_FullMethodName, subject: several}.changes("delete", "delete secrets"),
	}}
}

// createSecret is the command that makes a secret and prints it, or keeps it in
// a file and prints the rest.
func createSecret(r rpc) node {
	n := leaf(command{verb: "create", summary: "make a secret; it is shown this once", changes: true, example: "--oauth-client-name wiki --output secret.txt",
		flags: func(f *flag.FlagSet) action {
			q, err := r.declare(f)
			path := f.String("output", "", "file to write the secret alone to, which is printed otherwise")
			return func(ctx context.Context, s *session, args []string) error {
				switch {
				case err != nil:
					return err
				case *path != "" && s.async:
					return misuse("--output and --async exclude each other: the secret is known when the operation is done")
				case *path != "":
					if err := writable(*path); err != nil {
						return &Misuse{fmt.Errorf("--output: %w", err)}
					}
				}
				return q.each(ctx, s, args, func() error {
					if *path == "" {
						return r.change(ctx, s, q)
					}
					return s.keepSecret(ctx, *path, func() error { return r.change(ctx, s, q) })
				})
			}
		}})
	n.run.call = &r
	return n
}

// keepSecret writes the secret that a command answers with to a file that only
// its owner may read, and prints the rest.
func (s *session) keepSecret(ctx context.Context, path string, do func() error) error {
	s.gathering = true
	err := do()
	s.gathering = false
	if err != nil {
		return err
	}
	for _, m := range s.gathered {
		made, ok := m.(*iampb.CreateOAuthClientSecretResponse)
		if !ok || made.GetSecretValue() == "" {
			return fmt.Errorf("the server answered with no secret")
		}
		if err := writeAlone(path, made.GetSecretValue()); err != nil {
			return fmt.Errorf("secret %s is made, but not written; delete it and make another: %w", printable(made.GetOauthClientSecret().GetId()), err)
		}
		if err := s.print(ctx, made.GetOauthClientSecret()); err != nil {
			return err
		}
	}
	return nil
}

// writeAlone replaces a file by one that nobody else may read.
func writeAlone(path, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err = tmp.WriteString(text); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err != nil || cerr != nil {
		return errors.Join(err, cerr)
	}
	return os.Rename(tmp.Name(), path)
}
