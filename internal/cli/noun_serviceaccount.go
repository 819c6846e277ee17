package cli

import (
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/output"
)

func theServiceAccount() *subject {
	return &subject{thing: "service account", field: "service_account_id", by: serviceAccounts()}
}

func serviceAccountNode() node {
	const get, update = iampb.ServiceAccountService_Get_FullMethodName, iampb.ServiceAccountService_Update_FullMethodName
	description := option{name: "description", field: "description", usage: "its description"}
	labels := option{name: "labels", field: "labels", usage: "its labels"}
	expires := option{name: "expires-at", field: "expires_at", usage: "when it is suspended by itself, such as 2030-01-02T15:04:05Z"}
	about := theServiceAccount()
	several := &subject{thing: about.thing, field: about.field, by: about.by, many: true}
	return node{word: "service-account", aliases: []string{"service-accounts", "sa"}, summary: "accounts that programs work with", below: slices.Concat([]node{
		rpc{method: get, subject: about}.gets("show a service account"),
		rpc{method: iampb.ServiceAccountService_List_FullMethodName, within: "folder_id", columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}, {Title: "LABELS", Field: "labels"},
			{Title: "CREATED AT", Field: "created_at"}, {Title: "LAST AUTHENTICATED AT", Field: "last_authenticated_at"},
		}, options: []option{filter()}}.lists("list", "list the service accounts of a folder"),
		rpc{method: iampb.ServiceAccountService_Create_FullMethodName, within: "folder_id", options: []option{
			{name: "name", field: "name", usage: "its name, once in a cloud; may stand beside the flags", beside: true, required: true},
			description, labels, expires,
		}}.changes("create", "make a service account").like("my-robot --description 'writes backups' --labels team=storage"),
		rpc{method: update, subject: about, name: get, options: []option{
			{name: "new-name", field: "name", usage: "its new name"},
			description, {name: "labels", field: "labels", usage: "its labels, in place of all that it has"}, expires,
		}}.changes("update", "change a service account"),
		rpc{method: iampb.ServiceAccountService_Delete_FullMethodName, subject: several}.changes("delete", "delete service accounts with their keys, for good"),
		rpc{method: iampb.ServiceAccountService_Suspend_FullMethodName, subject: about, options: []option{
			{name: "reason", field: "reason", usage: "why it is suspended, for who reads the audit log"}, {name: "expires-at", field: "expires_at", usage: "when it ends by itself"},
		}}.changes("suspend", "have a service account rest: what it signs in with is refused"),
		rpc{method: iampb.ServiceAccountService_Reactivate_FullMethodName, subject: about}.changes("reactivate", "end a suspension"),
		operationsOf(iampb.ServiceAccountService_ListOperations_FullMethodName, about),
	}, labelNodes(get, update, about), bindingNodes(iampb.ServiceAccountService_ServiceDesc.ServiceName, about))}
}

func filter() option {
	return option{name: "filter", field: "filter", usage: `name="…"`}
}

func operationsOf(method string, about *subject) node {
	return rpc{method: method, subject: about, columns: operationTable()}.lists("list-operations", "list what was done to it")
}
