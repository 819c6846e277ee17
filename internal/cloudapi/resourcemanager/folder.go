package resourcemanager

import (
	"context"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var onFolder = gate.On(resource.Folder, "folder_id")

// FolderRules are the rows of FolderService.
var FolderRules = append(append(gate.Rules("yandex.cloud.resourcemanager.v1.FolderService",
	gate.Rule{Method: "Get", Permission: "resource-manager.folders.get", Target: onFolder},
	gate.Rule{Method: "List", Permission: "resource-manager.folders.list", Target: onCloud},
	gate.Rule{Method: "Create", Permission: "resource-manager.folders.create", Target: onCloud,
		Effect: gate.Changes, Event: "resourcemanager.CreateFolder"},
	gate.Rule{Method: "Update", Permission: "resource-manager.folders.update", Target: onFolder,
		Effect: gate.Changes, Event: "resourcemanager.UpdateFolder"},
	gate.Rule{Method: "Delete", Permission: "resource-manager.folders.delete", Target: onFolder,
		Effect: gate.Changes, Event: "resourcemanager.DeleteFolder"},
	gate.Rule{Method: "ListOperations", Permission: "resource-manager.folders.listOperations", Target: onFolder},
), cloudapi.BindingRules("yandex.cloud.resourcemanager.v1.FolderService", resource.Folder, "resource-manager.folders",
	"resourcemanager.%sFolderAccessBindings")...),
	cloudapi.PolicyRules("yandex.cloud.resourcemanager.v1.FolderService", resource.Folder, "resource-manager.folders",
		"resourcemanager.%sFolderAccessPolicy%s")...)

// FolderService is yandex.cloud.resourcemanager.v1.FolderService.
type FolderService struct {
	unbuiltFolders
	cloudapi.Bindings
	cloudapi.Policies
	DB        *store.DB
	Changes   cloudapi.Changes
	Pages     cloudapi.Pages
	Deletions *Deletions
	Quotas    quota.Limits
}

// Get returns a folder.
func (s *FolderService) Get(ctx context.Context, r *rmpb.GetFolderRequest) (*rmpb.Folder, error) {
	var f *iam.Folder
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		f, err = store.GetFolder(tx, r.GetFolderId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return folderProto(f), nil
}

// List pages through the folders of a cloud.
func (s *FolderService) List(ctx context.Context, r *rmpb.ListFoldersRequest) (*rmpb.ListFoldersResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetCloudId(), Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, err := cloudapi.NameFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*iam.Folder
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListFolders(tx, r.GetCloudId(), store.Page{After: after, Limit: size + 1, Name: name})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &rmpb.ListFoldersResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(f *iam.Folder) string { return f.ID })
	for _, f := range rows {
		out.Folders = append(out.Folders, folderProto(f))
	}
	return out, nil
}

// Create makes a folder in a cloud. Its name is unique there.
func (s *FolderService) Create(ctx context.Context, r *rmpb.CreateFolderRequest) (*operationpb.Operation, error) {
	id := resource.NewIDFor(resource.Folder)
	call := gate.From(ctx)
	call.Note("folder_id", id)
	call.Note("folder_name", r.GetName())
	call.Note("cloud_id", r.GetCloudId())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixManager), ResourceID: id, Description: "Create folder",
		Metadata: &rmpb.CreateFolderMetadata{FolderId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := cloudapi.CloudAccepts(tx, r.GetCloudId()); err != nil {
			return nil, err
		}
		if err := s.Quotas.Reserve(tx, quota.Folders, r.GetCloudId(), 1); err != nil {
			return nil, err
		}
		f := &iam.Folder{ID: id, CloudID: r.GetCloudId(), Name: r.GetName(), Description: r.GetDescription(),
			Labels: r.GetLabels(), Status: iam.FolderActive, CreatedAt: tx.Now()}
		return folderProto(f), store.InsertFolder(tx, f)
	})
}

// Update writes the fields of the mask, or all that can be updated without
// one. An empty name leaves the name as it is.
func (s *FolderService) Update(ctx context.Context, r *rmpb.UpdateFolderRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "description", "labels")
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Note("folder_id", r.GetFolderId())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixManager), ResourceID: r.GetFolderId(), Description: "Update folder",
		Metadata: &rmpb.UpdateFolderMetadata{FolderId: r.GetFolderId()},
	}, func(tx *store.Tx) (proto.Message, error) {
		f, err := store.HoldFolder(tx, r.GetFolderId())
		if err != nil {
			return nil, err
		}
		if mask.Has("name") && r.GetName() != "" {
			f.Name = r.GetName()
		}
		if mask.Has("description") {
			f.Description = r.GetDescription()
		}
		if mask.Has("labels") {
			f.Labels = r.GetLabels()
		}
		return folderProto(f), store.UpdateFolder(tx, f)
	})
}

// ListOperations pages through the operations on a folder.
func (s *FolderService) ListOperations(ctx context.Context, r *rmpb.ListFolderOperationsRequest) (*rmpb.ListFolderOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetFolderId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetFolderId())
	return &rmpb.ListFolderOperationsResponse{Operations: ops, NextPageToken: next}, err
}

var folderStatus = map[iam.FolderStatus]rmpb.Folder_Status{
	iam.FolderActive: rmpb.Folder_ACTIVE, iam.FolderDeleting: rmpb.Folder_DELETING, iam.FolderPendingDeletion: rmpb.Folder_PENDING_DELETION,
}

func folderProto(f *iam.Folder) *rmpb.Folder {
	return &rmpb.Folder{Id: f.ID, CloudId: f.CloudID, CreatedAt: cloudapi.Time(f.CreatedAt), Name: f.Name,
		Description: f.Description, Labels: f.Labels, Status: folderStatus[f.Status]}
}

// unbuiltFolders stands one step deeper than cloudapi.Bindings, whose methods are
// the ones to be called.
type unbuiltFolders struct {
	rmpb.UnimplementedFolderServiceServer
}
