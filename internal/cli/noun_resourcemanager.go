package cli

import (
	"slices"

	resourcepb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"

	"github.com/propusk/propusk/internal/cli/output"
)

func resourceManagerNode() node {
	return node{word: "resource-manager", service: true, aliases: []string{"resource"}, summary: "clouds and folders", below: []node{cloudNode(), folderNode()}}
}

func cloudNode() node {
	const get, update = resourcepb.CloudService_Get_FullMethodName, resourcepb.CloudService_Update_FullMethodName
	about := &subject{thing: "cloud", field: "cloud_id", by: clouds()}
	service := resourcepb.CloudService_ServiceDesc.ServiceName
	organization := option{name: "organization-id", field: "organization_id", usage: "the organization; otherwise $YC_ORGANIZATION_ID, otherwise the profile's"}
	return node{word: "cloud", aliases: []string{"clouds"}, summary: "clouds, in which folders are", below: slices.Concat([]node{
		rpc{method: get, subject: about}.gets("show a cloud"),
		rpc{method: resourcepb.CloudService_List_FullMethodName, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}, {Title: "ORGANIZATION ID", Field: "organization_id"}, {Title: "LABELS", Field: "labels"},
		}, options: []option{{name: "organization-id", field: "organization_id", usage: "only those of this organization"}, filter()}}.
				lists("list", "list the clouds that you may see"),
		rpc{method: resourcepb.CloudService_Create_FullMethodName, within: "organization_id",
			options: append(made("cloud"), organization)}.changes("create", "make a cloud"),
		rpc{method: update, subject: about, options: changed()}.changes("update", "change a cloud"),
		rpc{method: resourcepb.CloudService_Delete_FullMethodName, subject: &subject{thing: about.thing, field: about.field, by: about.by, many: true}, options: []option{deleteAfter()}}.
			changes("delete", "delete clouds with all that is in them").like("old --delete-after 72h"),
		operationsOf(resourcepb.CloudService_ListOperations_FullMethodName, about),
	}, labelNodes(get, update, about), bindingNodes(service, about), policyNodes(service, about))}
}

func folderNode() node {
	const get, update = resourcepb.FolderService_Get_FullMethodName, resourcepb.FolderService_Update_FullMethodName
	about := &subject{thing: "folder", field: "folder_id", by: folders()}
	service := resourcepb.FolderService_ServiceDesc.ServiceName
	return node{word: "folder", aliases: []string{"folders"}, summary: "folders, in which everything is", below: slices.Concat([]node{
		rpc{method: get, subject: about}.gets("show a folder"),
		rpc{method: resourcepb.FolderService_List_FullMethodName, within: "cloud_id", columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"}, {Title: "LABELS", Field: "labels"}, {Title: "STATUS", Field: "status"},
		}, options: []option{filter()}}.lists("list", "list the folders of a cloud"),
		rpc{method: resourcepb.FolderService_Create_FullMethodName, within: "cloud_id", options: made("folder")}.changes("create", "make a folder"),
		rpc{method: update, subject: about, options: changed()}.changes("update", "change a folder"),
		rpc{method: resourcepb.FolderService_Delete_FullMethodName, subject: &subject{thing: about.thing, field: about.field, by: about.by, many: true}, options: []option{deleteAfter()}}.
			changes("delete", "delete folders with all that is in them").like("old --delete-after 72h"),
		operationsOf(resourcepb.FolderService_ListOperations_FullMethodName, about),
	}, labelNodes(get, update, about), bindingNodes(service, about), policyNodes(service, about))}
}

func made(thing string) []option {
	return []option{
		{name: "name", field: "name", usage: "name of the " + thing + "; may stand beside the flags", beside: true, required: true},
		{name: "description", field: "description", usage: "its description"},
		{name: "labels", field: "labels", usage: "its labels"},
	}
}

func changed() []option {
	return []option{
		{name: "new-name", field: "name", usage: "its new name"},
		{name: "description", field: "description", usage: "its description"},
		{name: "labels", field: "labels", usage: "its labels, in place of all that it has"},
	}
}

func deleteAfter() option {
	return option{name: "delete-after", field: "delete_after", ahead: true,
		usage: "when it is gone for good: after 24h, at 2030-01-02T15:04:05Z, or 0s for at once; otherwise when the server says. Until then operation cancel takes it back"}
}
