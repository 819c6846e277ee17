// Package organization serves yandex.cloud.organizationmanager.v1:
// organizations, groups, and the people in both. One file per service: its
// rules on top, handlers below.
package organization

import (
	"context"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const organizationService = "yandex.cloud.organizationmanager.v1.OrganizationService"

var onOrganization = gate.On(resource.Organization, "organization_id")

// Rules are the rows of OrganizationService. Organizations are made by the
// operator: the API neither creates nor deletes them.
var Rules = append(append(gate.Rules(organizationService,
	gate.Rule{Method: "Get", Permission: "organization-manager.organizations.get", Target: onOrganization},
	gate.Rule{Method: "List", Why: "shows only the organizations that the caller may get"},
	gate.Rule{Method: "Update", Permission: "organization-manager.organizations.update", Target: onOrganization,
		Effect: gate.Changes, Event: "organizationmanager.UpdateOrganization"},
	gate.Rule{Method: "ListOperations", Permission: "organization-manager.organizations.listOperations", Target: onOrganization},
), cloudapi.BindingRules(organizationService, resource.Organization, "organization-manager.organizations",
	"organizationmanager.%sOrganizationAccessBindings")...),
	cloudapi.PolicyRules(organizationService, resource.Organization, "organization-manager.organizations",
		"organizationmanager.%sOrganizationAccessPolicy%s")...)

// Service is yandex.cloud.organizationmanager.v1.OrganizationService.
type Service struct {
	unbuiltOrganizations
	cloudapi.Bindings
	cloudapi.Policies
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	// Holders is everyone that a subject counts as, groups included.
	Holders func(ctx context.Context, who iam.Subject) ([]iam.SubjectID, error)
}

// Get returns an organization.
func (s *Service) Get(ctx context.Context, r *ompb.GetOrganizationRequest) (*ompb.Organization, error) {
	var o *iam.Organization
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		o, err = store.GetOrganization(tx, r.GetOrganizationId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return organizationProto(o), nil
}

// List pages through the organizations that the caller may get.
func (s *Service) List(ctx context.Context, r *ompb.ListOrganizationsRequest) (*ompb.ListOrganizationsResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: string(call.Caller().ID), Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	name, err := cloudapi.NameFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	holders, err := s.Holders(ctx, call.Caller())
	if err != nil {
		return nil, err
	}
	rows, err := s.visible(ctx, holders, store.Page{After: after, Limit: size + 1, Name: name})
	if err != nil {
		return nil, err
	}
	out := &ompb.ListOrganizationsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(o *iam.Organization) string { return o.ID })
	for _, o := range rows {
		out.Organizations = append(out.Organizations, organizationProto(o))
	}
	return out, nil
}

// visible fills a page with organizations that the caller may get: candidates
// carry some binding of the caller, the check says which count.
func (s *Service) visible(ctx context.Context, holders []iam.SubjectID, p store.Page) ([]*iam.Organization, error) {
	var out []*iam.Organization
	for {
		var rows []*iam.Organization
		err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
			rows, err = store.ListVisibleOrganizations(tx, holders, p)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range rows {
			may, err := gate.Allows(ctx, "organization-manager.organizations.get", o.ID)
			if err != nil {
				return nil, err
			}
			if may {
				if out = append(out, o); len(out) == p.Limit {
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

// Update writes the fields of the mask, or all that can be updated without
// one. An empty name leaves the name as it is.
func (s *Service) Update(ctx context.Context, r *ompb.UpdateOrganizationRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "title", "description", "labels")
	if err != nil {
		return nil, err
	}
	id := r.GetOrganizationId()
	gate.From(ctx).Note("organization_id", id)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixOrganization), ResourceID: id, Description: "Update organization",
		Metadata: &ompb.UpdateOrganizationMetadata{OrganizationId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := store.LockResource(tx, id); err != nil {
			return nil, err
		}
		o, err := store.GetOrganization(tx, id)
		if err != nil {
			return nil, err
		}
		if mask.Has("name") && r.GetName() != "" {
			o.Name = r.GetName()
		}
		if mask.Has("title") {
			o.Title = r.GetTitle()
		}
		if mask.Has("description") {
			o.Description = r.GetDescription()
		}
		if mask.Has("labels") {
			o.Labels = r.GetLabels()
		}
		return organizationProto(o), store.UpdateOrganization(tx, o)
	})
}

// ListOperations pages through the operations on an organization.
func (s *Service) ListOperations(ctx context.Context, r *ompb.ListOrganizationOperationsRequest) (*ompb.ListOrganizationOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetOrganizationId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetOrganizationId())
	return &ompb.ListOrganizationOperationsResponse{Operations: ops, NextPageToken: next}, err
}

func organizationProto(o *iam.Organization) *ompb.Organization {
	return &ompb.Organization{Id: o.ID, CreatedAt: cloudapi.Time(o.CreatedAt), Name: o.Name, Description: o.Description,
		Title: o.Title, Labels: o.Labels}
}

// unbuiltOrganizations stands one step deeper than cloudapi.Bindings, whose
// methods are the ones to be called.
type unbuiltOrganizations struct {
	ompb.UnimplementedOrganizationServiceServer
}
