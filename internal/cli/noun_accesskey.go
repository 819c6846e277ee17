package cli

import (
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"

	"github.com/propusk/propusk/internal/cli/output"
)

func accessKeyNode() node {
	about := &subject{thing: "static access key", field: "access_key_id"}
	several := &subject{thing: "static access key", field: "access_key_id", many: true}
	return node{word: "access-key", aliases: []string{"access-keys"}, summary: "static and ephemeral access keys, for services that speak AWS", below: []node{
		rpc{method: awspb.AccessKeyService_Create_FullMethodName, options: append(ofAccount(), description())}.
			shows("create", "make a static access key; its secret is shown this once"),
		rpc{method: awspb.AccessKeyService_Get_FullMethodName, subject: about}.shows("get", "show a static access key without its secret"),
		rpc{method: awspb.AccessKeyService_List_FullMethodName, options: ofAccount(), columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "SERVICE ACCOUNT ID", Field: "service_account_id"}, {Title: "KEY ID", Field: "key_id"},
		}}.lists("list", "list the static access keys of a service account"),
		rpc{method: awspb.AccessKeyService_Update_FullMethodName, subject: about, options: []option{description()}}.
			changes("update", "change what is told of a static access key"),
		rpc{method: awspb.AccessKeyService_Delete_FullMethodName, subject: several}.changes("delete", "delete static access keys"),
		operationsOf(awspb.AccessKeyService_ListOperations_FullMethodName, about),
		rpc{method: awspb.TemporaryAccessKeyService_CreateEphemeral_FullMethodName, options: []option{
			{name: "subject-id", field: "subject_id", usage: "whose key it is; otherwise yours"},
			{name: "session-name", field: "session_name", usage: "a name to know it by", required: true},
			{name: "policy", field: "policy", usage: "policy in JSON that narrows it"},
			{name: "duration", field: "duration", usage: "how long it lives, such as 1h; otherwise as long as your token"},
		}}.shows("issue-ephemeral", "make an ephemeral access key; its secret is shown this once"),
	}}
}
