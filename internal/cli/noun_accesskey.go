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
			shows("create", "make a static access key; its secret is shown this once").like("--service-account-name my-robot"),
		rpc{method: awspb.AccessKeyService_Get_FullMethodName, subject: about}.gets("show a static access key without its secret"),
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
			{name: "policy", field: "policy", usage: "policy in JSON that narrows it: the JSON, a file with it, or - for standard input", file: true},
			{name: "duration", field: "duration", usage: "how long it lives, from 15m to 12h, never longer than your token; otherwise as long as that"},
		}}.shows("issue-ephemeral", "make an ephemeral access key; its secret is shown this once").
			like("--session-name backup --duration 1h --policy policy.json"),
	}}
}
