// Package resourceapi is propusk.v1: the resources of other services, and why
// access to something is as it is.
package resourceapi

import (
	"context"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const service = "propusk.v1.ResourceService"

// A resource may be of any registered type, so no kind is asked for here; each
// handler looks whether the id is one of a registered resource.
var onResource, onParent = gate.On("", "resource_id"), gate.On("", "parent_id")

// ResourceRules are the rows of ResourceService.
var ResourceRules = append(gate.Rules(service,
	gate.Rule{Method: "Get", Permission: "propusk.resources.get", Target: onResource},
	gate.Rule{Method: "List", Permission: "propusk.resources.list", Target: onParent},
	gate.Rule{Method: "Create", Permission: "propusk.resources.create", Target: onParent,
		Effect: gate.Changes, Event: "propusk.CreateResource"},
	gate.Rule{Method: "Update", Permission: "propusk.resources.update", Target: onResource,
		Effect: gate.Changes, Event: "propusk.UpdateResource"},
	gate.Rule{Method: "Delete", Permission: "propusk.resources.delete", Target: onResource,
		Effect: gate.Changes, Event: "propusk.DeleteResource"},
	gate.Rule{Method: "ListOperations", Permission: "propusk.resources.listOperations", Target: onResource},
), cloudapi.BindingRules(service, "", "propusk.resources", "propusk.%sResourceAccessBindings")...)

// Kinds knows the registered types of resource.
type Kinds interface {
	// Parents lists what a type of resource may stand below, none for a root of
	// its own; false for a type that nobody registered.
	Parents(kind resource.Kind) ([]resource.Kind, bool)
}

// ResourceService is propusk.v1.ResourceService.
type ResourceService struct {
	unbuilt
	cloudapi.Bindings
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Kinds   Kinds
}

// Get returns a resource.
func (s *ResourceService) Get(ctx context.Context, r *propuskpb.GetResourceRequest) (*propuskpb.Resource, error) {
	v, err := s.find(ctx, r.GetResourceId())
	if err != nil {
		return nil, err
	}
	return resourceProto(v), nil
}

// find reads a registered resource; anything else in the tree is none.
func (s *ResourceService) find(ctx context.Context, id string) (v *iam.RegisteredResource, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		v, err = store.GetRegistered(tx, id)
		return err
	})
	return v, err
}

// List pages through what stands right below a folder or a resource.
func (s *ResourceService) List(ctx context.Context, r *propuskpb.ListResourcesRequest) (*propuskpb.ListResourcesResponse, error) {
	if err := mayHold(gate.From(ctx).Path[0]); err != nil {
		return nil, err
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetParentId(), Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, err := cloudapi.NameFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*iam.RegisteredResource
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListRegistered(tx, r.GetParentId(), store.Page{After: after, Limit: size + 1, Name: name})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &propuskpb.ListResourcesResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(v *iam.RegisteredResource) string { return v.ID })
	for _, v := range rows {
		out.Resources = append(out.Resources, resourceProto(v))
	}
	return out, nil
}

// Create registers a resource below a folder or another resource. The first to
// register an id has it, in whatever organization: see Place.
func (s *ResourceService) Create(ctx context.Context, r *propuskpb.CreateResourceRequest) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	id, kind := r.GetId(), resource.Kind(r.GetType())
	if err := Place(s.Kinds, kind, call.Path[0]); err != nil {
		return nil, err
	}
	if id == "" {
		id = resource.NewIDFor(kind)
	} else if err := LegalID(id); err != nil {
		return nil, err
	}
	call.Note("resource_id", id)
	call.Note("resource_type", r.GetType())
	call.Note("resource_name", r.GetName())
	call.Note("parent_id", r.GetParentId())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: "Create resource",
		Metadata: &propuskpb.CreateResourceMetadata{ResourceId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := foldersAccept(tx, call.Path); err != nil {
			return nil, err
		}
		v := &iam.RegisteredResource{ID: id, Type: r.GetType(), ParentID: r.GetParentId(), Name: r.GetName(),
			Description: r.GetDescription(), Labels: r.GetLabels(), CreatedAt: tx.Now()}
		return resourceProto(v), store.InsertRegistered(tx, v)
	})
}

// foldersAccept refuses what stands in a folder that is on its way out. What
// stands above a resource never changes, so the path of the call is still right.
func foldersAccept(tx *store.Tx, path []resource.Ref) error {
	for _, above := range path {
		if above.Kind == resource.Folder {
			return cloudapi.FolderAccepts(tx, above.ID)
		}
	}
	return nil
}

// Update writes the fields of the mask, or all that can be updated without one.
func (s *ResourceService) Update(ctx context.Context, r *propuskpb.UpdateResourceRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "description", "labels")
	if err != nil {
		return nil, err
	}
	gate.From(ctx).Note("resource_id", r.GetResourceId())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: r.GetResourceId(), Description: "Update resource",
		Metadata: &propuskpb.UpdateResourceMetadata{ResourceId: r.GetResourceId()},
	}, func(tx *store.Tx) (proto.Message, error) {
		v, err := lock(tx, r.GetResourceId())
		if err != nil {
			return nil, err
		}
		if mask.Has("name") {
			v.Name = r.GetName()
		}
		if mask.Has("description") {
			v.Description = r.GetDescription()
		}
		if mask.Has("labels") {
			v.Labels = r.GetLabels()
		}
		return resourceProto(v), store.UpdateRegistered(tx, v)
	})
}

// lock reads a registered resource and keeps it as it is until the transaction ends.
func lock(tx *store.Tx, id string) (*iam.RegisteredResource, error) {
	if err := store.LockResource(tx, id); err != nil {
		return nil, err
	}
	return store.GetRegistered(tx, id)
}

// Delete removes a resource with all below it. A root stays: the operator made
// it, and its id, which a service is set up with, could never be used again.
func (s *ResourceService) Delete(ctx context.Context, r *propuskpb.DeleteResourceRequest) (*operationpb.Operation, error) {
	gate.From(ctx).Note("resource_id", r.GetResourceId())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: r.GetResourceId(), Description: "Delete resource",
		Metadata: &propuskpb.DeleteResourceMetadata{ResourceId: r.GetResourceId()},
	}, func(tx *store.Tx) (proto.Message, error) {
		v, err := lock(tx, r.GetResourceId())
		if err != nil {
			return nil, err
		}
		if v.ParentID == "" {
			return nil, iam.Errorf(iam.FailedPrecondition, "Resource %s stands below nothing; only the operator removes it", v.ID)
		}
		return &emptypb.Empty{}, store.DeleteRegistered(tx, v.ID)
	})
}

// ListOperations pages through the operations on a resource.
func (s *ResourceService) ListOperations(ctx context.Context, r *propuskpb.ListResourceOperationsRequest) (*propuskpb.ListResourceOperationsResponse, error) {
	if _, err := s.find(ctx, r.GetResourceId()); err != nil {
		return nil, err
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetResourceId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetResourceId())
	return &propuskpb.ListResourceOperationsResponse{Operations: ops, NextPageToken: next}, err
}

// ListAccessBindings pages through the bindings on a resource itself.
func (s *ResourceService) ListAccessBindings(ctx context.Context, r *accesspb.ListAccessBindingsRequest) (*accesspb.ListAccessBindingsResponse, error) {
	if _, err := s.find(ctx, r.GetResourceId()); err != nil {
		return nil, err
	}
	return s.Bindings.ListAccessBindings(ctx, r)
}

// SetAccessBindings replaces every binding on a resource.
func (s *ResourceService) SetAccessBindings(ctx context.Context, r *accesspb.SetAccessBindingsRequest) (*operationpb.Operation, error) {
	v, err := s.find(ctx, r.GetResourceId())
	if err != nil {
		return nil, err
	}
	return s.bindings(v).SetAccessBindings(ctx, r)
}

// UpdateAccessBindings adds and removes bindings on a resource.
func (s *ResourceService) UpdateAccessBindings(ctx context.Context, r *accesspb.UpdateAccessBindingsRequest) (*operationpb.Operation, error) {
	v, err := s.find(ctx, r.GetResourceId())
	if err != nil {
		return nil, err
	}
	return s.bindings(v).UpdateAccessBindings(ctx, r)
}

// bindings serves the bindings of one resource, whose type says what may be
// bound there.
func (s *ResourceService) bindings(v *iam.RegisteredResource) cloudapi.Bindings {
	b := s.Bindings
	b.Kind = resource.Kind(v.Type)
	return b
}

func resourceProto(v *iam.RegisteredResource) *propuskpb.Resource {
	return &propuskpb.Resource{Id: v.ID, Type: v.Type, ParentId: v.ParentID, Name: v.Name, Description: v.Description,
		Labels: v.Labels, CreatedAt: cloudapi.Time(v.CreatedAt)}
}

// unbuilt stands one step deeper than cloudapi.Bindings, whose methods are the
// ones to be called.
type unbuilt struct {
	propuskpb.UnimplementedResourceServiceServer
}
