package organization

import (
	"context"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const groupService = "yandex.cloud.organizationmanager.v1.GroupService"

var (
	onGroup     = gate.On(resource.Group, "group_id")
	inContainer = gate.Via(ContainerLookup, "subject_container_id")
)

// GroupRules are the rows of GroupService. An external group is made and made
// ordinary again with rights on the organization that its container belongs to.
var GroupRules = append(gate.Rules(groupService,
	gate.Rule{Method: "Get", Permission: "organization-manager.groups.get", Target: onGroup},
	gate.Rule{Method: "ResolveExternal", Permission: "organization-manager.groups.listExternal", Target: inContainer},
	gate.Rule{Method: "List", Permission: "organization-manager.groups.list", Target: onOrganization},
	gate.Rule{Method: "ListExternal", Permission: "organization-manager.groups.listExternal", Target: inContainer},
	gate.Rule{Method: "Create", Permission: "organization-manager.groups.create", Target: onOrganization,
		Effect: gate.Changes, Event: "organizationmanager.CreateGroup"},
	gate.Rule{Method: "CreateExternal", Permission: "organization-manager.groups.createExternal", Target: onOrganization,
		Effect: gate.Changes, Event: "organizationmanager.CreateGroup"},
	gate.Rule{Method: "Update", Permission: "organization-manager.groups.update", Target: onGroup,
		Effect: gate.Changes, Event: "organizationmanager.UpdateGroup"},
	gate.Rule{Method: "ConvertToExternal", Permission: "organization-manager.groups.convertToExternal", Target: onGroup,
		Effect: gate.Changes, Event: "organizationmanager.UpdateGroup"},
	gate.Rule{Method: "ConvertAllToBasic", Permission: "organization-manager.groups.convertToBasic", Target: inContainer,
		Effect: gate.Changes, Event: "propusk.ConvertAllGroupsToBasic"},
	gate.Rule{Method: "Delete", Permission: "organization-manager.groups.delete", Target: onGroup,
		Effect: gate.Changes, Event: "organizationmanager.DeleteGroup"},
	gate.Rule{Method: "ListOperations", Permission: "organization-manager.groups.listOperations", Target: onGroup},
	gate.Rule{Method: "ListMembers", Permission: "organization-manager.groups.listMembers", Target: onGroup},
	gate.Rule{Method: "UpdateMembers", Permission: "organization-manager.groups.updateMembers", Target: onGroup,
		Effect: gate.Changes, Event: "organizationmanager.UpdateGroupMembers"},
	gate.Rule{Method: "ListEffective", Why: "shows the caller's own groups; for another's it asks for organization-manager.groups.list"},
), cloudapi.BindingRules(groupService, resource.Group, "organization-manager.groups", "organizationmanager.%sGroupAccessBindings")...)

// GroupService is yandex.cloud.organizationmanager.v1.GroupService.
type GroupService struct {
	unbuiltGroups
	cloudapi.Bindings
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Quotas  quota.Limits
	// Containers is the organization that a container of subjects belongs to;
	// iam.NotFound when there is no such container.
	Containers func(tx *store.Tx, id string) (organizationID string, err error)
}

// Get returns a group.
func (s *GroupService) Get(ctx context.Context, r *ompb.GetGroupRequest) (*ompb.Group, error) {
	var g *iam.Group
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		g, err = store.GetGroup(tx, r.GetGroupId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return groupProto(g), nil
}

// List pages through the groups of an organization.
func (s *GroupService) List(ctx context.Context, r *ompb.ListGroupsRequest) (*ompb.ListGroupsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetOrganizationId(), Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, err := cloudapi.NameFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*iam.Group
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListGroups(tx, r.GetOrganizationId(), store.Page{After: after, Limit: size + 1, Name: name})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ompb.ListGroupsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, groupPlace)
	out.Groups = groupProtos(rows)
	return out, nil
}

// Create makes a group in an organization. Its name is unique there.
func (s *GroupService) Create(ctx context.Context, r *ompb.CreateGroupRequest) (*operationpb.Operation, error) {
	g := &iam.Group{ID: resource.NewIDFor(resource.Group), OrganizationID: r.GetOrganizationId(), Name: r.GetName(),
		Description: r.GetDescription(), Labels: r.GetLabels()}
	noteGroup(ctx, g)
	return s.Changes.Run(ctx, groupChange(g.ID, "Create group", &ompb.CreateGroupMetadata{GroupId: g.ID}), func(tx *store.Tx) (proto.Message, error) {
		if err := s.Quotas.Reserve(tx, quota.Groups, g.OrganizationID, 1); err != nil {
			return nil, err
		}
		g.CreatedAt = tx.Now()
		return groupProto(g), store.InsertGroup(tx, g)
	})
}

// Update writes the fields of the mask, or all that can be updated without
// one. An empty name leaves the name as it is.
func (s *GroupService) Update(ctx context.Context, r *ompb.UpdateGroupRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "description", "labels")
	if err != nil {
		return nil, err
	}
	return s.change(ctx, r.GetGroupId(), "Update group", &ompb.UpdateGroupMetadata{GroupId: r.GetGroupId()},
		func(tx *store.Tx, g *iam.Group) (proto.Message, error) {
			if mask.Has("name") && r.GetName() != "" {
				g.Name = r.GetName()
			}
			if mask.Has("description") {
				g.Description = r.GetDescription()
			}
			if mask.Has("labels") {
				g.Labels = r.GetLabels()
			}
			return groupProto(g), store.UpdateGroup(tx, g)
		})
}

// Delete removes a group with its bindings and those on it; its members lose
// what they had through it. A group that owns something is deleted by owners
// alone.
func (s *GroupService) Delete(ctx context.Context, r *ompb.DeleteGroupRequest) (*operationpb.Operation, error) {
	id := r.GetGroupId()
	gate.From(ctx).Note("group_id", id)
	dismissed, err := cloudapi.OwnersAlone(ctx, s.DB, s.Grants, "", iam.SubjectID(id))
	if err != nil {
		return nil, err
	}
	return s.Changes.Run(ctx, groupChange(id, "Delete group", &ompb.DeleteGroupMetadata{GroupId: id}), func(tx *store.Tx) (proto.Message, error) {
		if err := dismissed(tx); err != nil {
			return nil, err
		}
		return &emptypb.Empty{}, store.DeleteGroup(tx, id)
	})
}

// ListOperations pages through the operations on a group.
func (s *GroupService) ListOperations(ctx context.Context, r *ompb.ListGroupOperationsRequest) (*ompb.ListGroupOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetGroupId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetGroupId())
	return &ompb.ListGroupOperationsResponse{Operations: ops, NextPageToken: next}, err
}

// change runs a change of one existing group, which is locked. What may count
// against a quota of the organization holds that first, as all others do.
func (s *GroupService) change(ctx context.Context, id, what string, meta proto.Message,
	act func(tx *store.Tx, g *iam.Group) (proto.Message, error)) (*operationpb.Operation, error) {
	gate.From(ctx).Note("group_id", id)
	return s.Changes.Run(ctx, groupChange(id, what, meta), func(tx *store.Tx) (proto.Message, error) {
		if err := s.Quotas.Hold(tx, quota.GroupMembers, id); err != nil {
			return nil, err
		}
		if err := store.LockResource(tx, id); err != nil {
			return nil, err
		}
		g, err := store.GetGroup(tx, id)
		if err != nil {
			return nil, err
		}
		return act(tx, g)
	})
}

func groupChange(id, what string, meta proto.Message) cloudapi.Change {
	return cloudapi.Change{ID: cloudapi.NewOperationID(resource.PrefixOrganization), ResourceID: id, Description: what, Metadata: meta}
}

func noteGroup(ctx context.Context, g *iam.Group) {
	call := gate.From(ctx)
	call.Note("group_id", g.ID)
	call.Note("group_name", g.Name)
	call.Note("organization_id", g.OrganizationID)
}

func groupPlace(g *iam.Group) string { return g.ID }

func groupProtos(rows []*iam.Group) []*ompb.Group {
	out := make([]*ompb.Group, len(rows))
	for i, g := range rows {
		out[i] = groupProto(g)
	}
	return out
}

func groupProto(g *iam.Group) *ompb.Group {
	return &ompb.Group{Id: g.ID, OrganizationId: g.OrganizationID, CreatedAt: cloudapi.Time(g.CreatedAt), Name: g.Name,
		Description: g.Description, SubjectContainerId: g.SubjectContainerID, ExternalId: g.ExternalID, Labels: g.Labels}
}

// unbuiltGroups stands one step deeper than cloudapi.Bindings, whose methods
// are the ones to be called.
type unbuiltGroups struct {
	ompb.UnimplementedGroupServiceServer
}
