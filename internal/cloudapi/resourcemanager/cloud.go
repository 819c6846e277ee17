// Package resourcemanager serves yandex.cloud.resourcemanager.v1: clouds and
// folders. One file per service: its rules on top, handlers below.
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

const cloudOwner iam.RoleID = "resource-manager.clouds.owner"

var onCloud = gate.On(resource.Cloud, "cloud_id")

// CloudRules are the rows of CloudService.
var CloudRules = append(append(gate.Rules("yandex.cloud.resourcemanager.v1.CloudService",
	gate.Rule{Method: "Get", Permission: "resource-manager.clouds.get", Target: onCloud},
	gate.Rule{Method: "List", Why: "shows only the clouds that the caller may get"},
	gate.Rule{Method: "Create", Permission: "resource-manager.clouds.create",
		Target: gate.On(resource.Organization, "organization_id"), Effect: gate.Changes, Event: "resourcemanager.CreateCloud"},
	gate.Rule{Method: "Update", Permission: "resource-manager.clouds.update", Target: onCloud,
		Effect: gate.Changes, Event: "resourcemanager.UpdateCloud"},
	gate.Rule{Method: "Delete", Permission: "resource-manager.clouds.delete", Target: onCloud,
		Effect: gate.Changes, Event: "resourcemanager.DeleteCloud"},
	gate.Rule{Method: "ListOperations", Permission: "resource-manager.clouds.listOperations", Target: onCloud},
), cloudapi.BindingRules("yandex.cloud.resourcemanager.v1.CloudService", resource.Cloud, "resource-manager.clouds",
	"resourcemanager.%sCloudAccessBindings")...),
	cloudapi.PolicyRules("yandex.cloud.resourcemanager.v1.CloudService", resource.Cloud, "resource-manager.clouds",
		"resourcemanager.%sCloudAccessPolicy%s")...)

// CloudService is yandex.cloud.resourcemanager.v1.CloudService.
type CloudService struct {
	unbuiltClouds
	cloudapi.Bindings
	cloudapi.Policies
	DB        *store.DB
	Changes   cloudapi.Changes
	Pages     cloudapi.Pages
	Deletions *Deletions
	Quotas    quota.Limits
	// Holders is everyone that a subject counts as, groups included.
	Holders func(ctx context.Context, who iam.Subject) ([]iam.SubjectID, error)
}

// Get returns a cloud.
func (s *CloudService) Get(ctx context.Context, r *rmpb.GetCloudRequest) (*rmpb.Cloud, error) {
	var c *iam.Cloud
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		c, err = store.GetCloud(tx, r.GetCloudId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return cloudProto(c), nil
}

// List pages through the clouds that the caller may get, in one organization
// or in all. The binding that lets a caller see a cloud may stand on the cloud
// or on its organization.
func (s *CloudService) List(ctx context.Context, r *rmpb.ListCloudsRequest) (*rmpb.ListCloudsResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: r.GetOrganizationId() + "/" + string(call.Caller().ID),
		Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, err := cloudapi.NameFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	if err := knownOrganization(ctx, r.GetOrganizationId()); err != nil {
		return nil, err
	}
	holders, err := s.Holders(ctx, call.Caller())
	if err != nil {
		return nil, err
	}
	rows, err := s.visible(ctx, holders, r.GetOrganizationId(), store.Page{After: after, Limit: size + 1, Name: name})
	if err != nil {
		return nil, err
	}
	out := &rmpb.ListCloudsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(c *iam.Cloud) string { return c.ID })
	for _, c := range rows {
		out.Clouds = append(out.Clouds, cloudProto(c))
	}
	return out, nil
}

// visible fills a page with clouds that the caller may get: candidates carry
// some binding of the caller, the check says which count.
func (s *CloudService) visible(ctx context.Context, holders []iam.SubjectID, organizationID string, p store.Page) ([]*iam.Cloud, error) {
	var out []*iam.Cloud
	for {
		var rows []*iam.Cloud
		err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
			rows, err = store.ListVisibleClouds(tx, holders, organizationID, p)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, c := range rows {
			may, err := gate.Allows(ctx, "resource-manager.clouds.get", c.ID)
			if err != nil {
				return nil, err
			}
			if may {
				if out = append(out, c); len(out) == p.Limit {
					return out, nil
				}
			}
		}
		if len(rows) < p.Limit {
			return out, nil
		}
		p.After = rows[len(rows)-1].ID
	}
}

// knownOrganization refuses an organization that does not exist or is none of
// the caller's business, both alike.
func knownOrganization(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	knows, err := gate.Knows(ctx, id)
	if err == nil && !knows {
		return iam.Errorf(iam.NotFound, "Organization %s not found", id)
	}
	return err
}

// Create makes a cloud; its creator becomes its owner [API fact: clouds].
func (s *CloudService) Create(ctx context.Context, r *rmpb.CreateCloudRequest) (*operationpb.Operation, error) {
	id := resource.NewIDFor(resource.Cloud)
	call := gate.From(ctx)
	call.Note("cloud_id", id)
	call.Note("cloud_name", r.GetName())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixManager), ResourceID: id, Description: "Create cloud",
		Metadata: &rmpb.CreateCloudMetadata{CloudId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := s.Quotas.Reserve(tx, quota.Clouds, r.GetOrganizationId(), 1); err != nil {
			return nil, err
		}
		// Its creator's binding as its owner counts too.
		if err := s.Quotas.Reserve(tx, quota.AccessBindings, r.GetOrganizationId(), 1); err != nil {
			return nil, err
		}
		c := &iam.Cloud{ID: id, OrganizationID: r.GetOrganizationId(), Name: r.GetName(), Description: r.GetDescription(),
			Labels: r.GetLabels(), CreatedAt: tx.Now()}
		if err := store.InsertCloud(tx, c); err != nil {
			return nil, err
		}
		_, err := store.AddBinding(tx, id, iam.AccessBinding{Role: cloudOwner, Subject: call.Caller()})
		return cloudProto(c), err
	})
}

// Update writes the fields of the mask, or all that can be updated without
// one. An empty name leaves the name as it is.
func (s *CloudService) Update(ctx context.Context, r *rmpb.UpdateCloudRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "description", "labels")
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Note("cloud_id", r.GetCloudId())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixManager), ResourceID: r.GetCloudId(), Description: "Update cloud",
		Metadata: &rmpb.UpdateCloudMetadata{CloudId: r.GetCloudId()},
	}, func(tx *store.Tx) (proto.Message, error) {
		c, err := store.HoldCloud(tx, r.GetCloudId())
		if err != nil {
			return nil, err
		}
		if mask.Has("name") && r.GetName() != "" {
			c.Name = r.GetName()
		}
		if mask.Has("description") {
			c.Description = r.GetDescription()
		}
		if mask.Has("labels") {
			c.Labels = r.GetLabels()
		}
		return cloudProto(c), store.UpdateCloud(tx, c)
	})
}

// ListOperations pages through the operations on a cloud.
func (s *CloudService) ListOperations(ctx context.Context, r *rmpb.ListCloudOperationsRequest) (*rmpb.ListCloudOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetCloudId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetCloudId())
	return &rmpb.ListCloudOperationsResponse{Operations: ops, NextPageToken: next}, err
}

func cloudProto(c *iam.Cloud) *rmpb.Cloud {
	return &rmpb.Cloud{Id: c.ID, CreatedAt: cloudapi.Time(c.CreatedAt), Name: c.Name, Description: c.Description,
		OrganizationId: c.OrganizationID, Labels: c.Labels}
}

// unbuiltClouds stands one step deeper than cloudapi.Bindings, whose methods are
// the ones to be called.
type unbuiltClouds struct {
	rmpb.UnimplementedCloudServiceServer
}
