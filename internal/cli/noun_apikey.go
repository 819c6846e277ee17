package cli

import (
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/output"
)

func apiKeyNode() node {
	about := &subject{thing: "API key", field: "api_key_id"}
	several := &subject{thing: "API key", field: "api_key_id", many: true}
	scopes := option{name: "scopes", field: "scopes", usage: "what it is good for; list-scopes says which there are"}
	expires := option{name: "expires-at", field: "expires_at", usage: "when it ends, such as 2030-01-02T15:04:05Z; otherwise never"}
	return node{word: "api-key", aliases: []string{"api-keys"}, summary: "API keys of service accounts", below: []node{
		rpc{method: iampb.ApiKeyService_Create_FullMethodName, options: append(ofAccount(), description(),
			option{name: "scope", field: "scope", usage: "the one thing that it is good for"}, scopes, expires)}.
			shows("create", "make an API key; its secret is shown this once").
			like("--service-account-name my-robot --scopes yc.ydb.tables.manage,yc.postbox.send --expires-at 2030-01-02T15:04:05Z"),
		rpc{method: iampb.ApiKeyService_Get_FullMethodName, subject: about}.gets("show an API key without its secret"),
		rpc{method: iampb.ApiKeyService_List_FullMethodName, options: ofAccount(), columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "CREATED AT", Field: "created_at"}, {Title: "MASKED KEY", Field: "masked_secret"},
		}}.lists("list", "list the API keys of a service account"),
		rpc{method: iampb.ApiKeyService_ListScopes_FullMethodName}.lists("list-scopes", "list the scopes that there are"),
		rpc{method: iampb.ApiKeyService_Update_FullMethodName, subject: about, options: []option{description(), scopes, expires}}.
			changes("update", "change an API key"),
		rpc{method: iampb.ApiKeyService_Delete_FullMethodName, subject: several}.changes("delete", "delete API keys"),
		operationsOf(iampb.ApiKeyService_ListOperations_FullMethodName, about),
	}}
}
