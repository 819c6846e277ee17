package cli

import (
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
		{name: "redirect-uris", field: "redirect_uris", usage: "where people may be sent back to: URI,URI"},
		{name: "post-logout-redirect-uris", field: "post_logout_redirect_uris", usage: "the same after signing out: URI,URI"},
		{name: "scopes", field: "scopes", usage: "what it may ask for: SCOPE,SCOPE"},
		{name: "authentication-methods", field: "authentication_methods", usage: "how it proves itself: METHOD,METHOD"},
		{name: "pkce-required", field: "pkce_required", usage: "no code without PKCE"},
	}
	titles := []output.Column{{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}}
	return node{word: "oauth-client", aliases: []string{"oauth-clients"}, summary: "programs that people sign in to", below: []node{
		rpc{method: iampb.OAuthClientService_Create_FullMethodName, within: "folder_id", options: append([]option{
			{name: "name", field: "name", usage: "its name, once in a folder; may stand beside the flags", beside: true, required: true},
			{name: "profile-id", field: "profile_id", usage: "what kind of program it is; list-profiles says which there are"},
		}, more...)}.changes("create", "make an OAuth client"),
		rpc{method: iampb.OAuthClientService_Get_FullMethodName, subject: about}.shows("get", "show an OAuth client"),
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
		rpc{method: iampb.OAuthClientSecretService_Create_FullMethodName, options: append(client, description())}.
			changes("create", "make a secret; it is shown this once"),
		rpc{method: iampb.OAuthClientSecretService_Get_FullMethodName, subject: about}.shows("get", "show what is known of a secret"),
		rpc{method: iampb.OAuthClientSecretService_List_FullMethodName, options: client, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "DESCRIPTION", Field: "description"}, {Title: "MASKED SECRET", Field: "masked_secret"}, {Title: "CREATED AT", Field: "created_at"},
		}}.lists("list", "list the secrets of an OAuth client"),
		rpc{method: iampb.OAuthClientSecretService_Delete_FullMethodName, subject: several}.changes("delete", "delete secrets"),
	}}
}
