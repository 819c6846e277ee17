package organization

import (
	"context"
	"errors"

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

// ContainerLookup is the name of the gate's lookup from a container of subjects
// to its organization.
const ContainerLookup = "subject_container"

// OwnContainer is a Containers that knows organizations, each the container of
// its own accounts and members: an agent that keeps groups in step with a
// directory elsewhere needs no federation for it.
func OwnContainer(tx *store.Tx, id string) (organizationID string, err error) {
	if _, err := store.GetOrganization(tx, id); err != nil {
		return "", containerMissing(id, err)
	}
	return id, nil
}

// editorRoles are what make_editor gives on an external group: to change it
// and its members, and no right to let others.
var editorRoles = [...]iam.RoleID{"organization-manager.groups.editor", "organization-manager.groups.memberAdmin"}

// ResolveExternal returns the group that stands for a group elsewhere.
func (s *GroupService) ResolveExternal(ctx context.Context, r *ompb.ResolveExternalGroupRequest) (*ompb.Group, error) {
	var g *iam.Group
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		g, err = store.GetExternalGroup(tx, r.GetSubjectContainerId(), r.GetExternalId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return groupProto(g), nil
}

// ListExternal pages through the external groups of a container.
func (s *GroupService) ListExternal(ctx context.Context, r *ompb.ListExternalGroupsRequest) (*ompb.ListExternalGroupsResponse, error) {
	container := r.GetSubjectContainerId()
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: container, Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, id, err := externalFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*iam.Group
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListExternalGroups(tx, container, id, store.Page{After: after, Limit: size + 1, Name: name})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ompb.ListExternalGroupsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, groupPlace)
	out.Groups = groupProtos(rows)
	return out, nil
}

// CreateExternal makes a group that stands for one elsewhere. With make_editor
// its creator may change it and its members.
func (s *GroupService) CreateExternal(ctx context.Context, r *ompb.CreateExternalGroupRequest) (*operationpb.Operation, error) {
	g := &iam.Group{ID: resource.NewIDFor(resource.Group), OrganizationID: r.GetOrganizationId(), Name: r.GetName(),
		Description: r.GetDescription(), Labels: r.GetLabels(), SubjectContainerID: r.GetSubjectContainerId(), ExternalID: r.GetExternalId()}
	noteGroup(ctx, g)
	noteExternal(ctx, g.SubjectContainerID, g.ExternalID, r.GetMakeEditor())
	return s.Changes.Run(ctx, groupChange(g.ID, "Create external group", &ompb.CreateExternalGroupMetadata{
		GroupId: g.ID, OrganizationId: g.OrganizationID, GroupName: g.Name, SubjectContainerId: g.SubjectContainerID,
		ExternalId: g.ExternalID, MakeEditor: r.GetMakeEditor(),
	}), func(tx *store.Tx) (proto.Message, error) {
		if err := s.mayContain(tx, g.SubjectContainerID, g.OrganizationID); err != nil {
			return nil, err
		}
		if err := s.Quotas.Reserve(tx, quota.Groups, g.OrganizationID, 1); err != nil {
			return nil, err
		}
		g.CreatedAt = tx.Now()
		if err := store.InsertGroup(tx, g); err != nil {
			return nil, err
		}
		return groupProto(g), s.makeEditor(ctx, tx, g, r.GetMakeEditor())
	})
}

// ConvertToExternal makes a group stand for one elsewhere. make_editor gives
// the caller roles on a group that others have filled and bound, so it takes
// the right to give those on it.
func (s *GroupService) ConvertToExternal(ctx context.Context, r *ompb.ConvertToExternalGroupRequest) (*operationpb.Operation, error) {
	if r.GetMakeEditor() {
		if err := gate.Require(ctx, "organization-manager.groups.updateAccessBindings", resource.Group, r.GetGroupId()); err != nil {
			return nil, err
		}
		for _, role := range editorRoles {
			if err := cloudapi.RequireGrant(ctx, s.Grants, resource.Ref{Kind: resource.Group, ID: r.GetGroupId()}, role); err != nil {
				return nil, err
			}
		}
	}
	noteExternal(ctx, r.GetSubjectContainerId(), r.GetExternalId(), r.GetMakeEditor())
	return s.change(ctx, r.GetGroupId(), "Convert group to external", &ompb.ConvertToExternalGroupMetadata{
		GroupId: r.GetGroupId(), SubjectContainerId: r.GetSubjectContainerId(), ExternalId: r.GetExternalId(), MakeEditor: r.GetMakeEditor(),
	}, func(tx *store.Tx, g *iam.Group) (proto.Message, error) {
		if g.SubjectContainerID != "" {
			return nil, iam.Errorf(iam.FailedPrecondition, "Group %s is an external group of subject container %s already", g.ID, g.SubjectContainerID)
		}
		if err := s.mayContain(tx, r.GetSubjectContainerId(), g.OrganizationID); err != nil {
			return nil, err
		}
		g.SubjectContainerID, g.ExternalID = r.GetSubjectContainerId(), r.GetExternalId()
		if err := store.UpdateGroup(tx, g); err != nil {
			return nil, err
		}
		return groupProto(g), s.makeEditor(ctx, tx, g, r.GetMakeEditor())
	})
}

// ConvertAllToBasic makes every external group of a container an ordinary one.
// Members and bindings stay.
func (s *GroupService) ConvertAllToBasic(ctx context.Context, r *ompb.ConvertAllToBasicGroupsRequest) (*operationpb.Operation, error) {
	container := r.GetSubjectContainerId()
	gate.From(ctx).Note("subject_container_id", container)
	return s.Changes.Run(ctx, groupChange(container, "Convert all external groups to basic",
		&ompb.ConvertAllToBasicGroupsMetadata{SubjectContainerId: container}), func(tx *store.Tx) (proto.Message, error) {
		_, err := store.MakeGroupsBasic(tx, container)
		return &emptypb.Empty{}, err
	})
}

// mayContain refuses a container that does not exist or is another
// organization's, both alike.
func (s *GroupService) mayContain(tx *store.Tx, containerID, organizationID string) error {
	of, err := s.Containers(tx, containerID)
	if err == nil && of != organizationID {
		err = containerMissing(containerID, iam.NotFound)
	}
	return err
}

func containerMissing(id string, err error) error {
	if errors.Is(err, iam.NotFound) {
		return iam.Errorf(iam.NotFound, "Subject container %s not found", id)
	}
	return err
}

func (s *GroupService) makeEditor(ctx context.Context, tx *store.Tx, g *iam.Group, wanted bool) error {
	if !wanted {
		return nil
	}
	if err := s.Quotas.Reserve(tx, quota.AccessBindings, g.OrganizationID, len(editorRoles)); err != nil {
		return err
	}
	for _, role := range editorRoles {
		if _, err := store.AddBinding(tx, g.ID, iam.AccessBinding{Role: role, Subject: gate.From(ctx).Caller()}); err != nil {
			return err
		}
	}
	return nil
}

func noteExternal(ctx context.Context, containerID, externalID string, makeEditor bool) {
	call := gate.From(ctx)
	call.Note("subject_container_id", containerID)
	call.Note("external_id", externalID)
	if makeEditor {
		call.Note("make_editor", "true")
	}
}
