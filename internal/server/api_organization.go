package server

import (
	"context"
	"slices"

	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	samlpb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"

	"github.com/propusk/propusk/internal/cloudapi/organization"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// organizationArea is organizations, groups, and the people in both.
var organizationArea = area{
	rules: slices.Concat(organization.Rules, organization.GroupRules, organization.UserRules, gate.MissingRules(
		"yandex.cloud.organizationmanager.v1.GroupMappingService",
		"yandex.cloud.organizationmanager.v1.saml.CertificateService", "yandex.cloud.organizationmanager.v1.saml.FederationService",
	)),
	register: func(s *Server, k kit, r *gate.Registrar) {
		answersEmpty := k.bindings(resource.Organization, resource.PrefixOrganization)
		answersEmpty.AnswersEmpty = true
		ompb.RegisterOrganizationServiceServer(r, &organization.Service{Bindings: answersEmpty, Policies: k.policies(resource.Organization, resource.PrefixOrganization),
			DB: s.db, Changes: k.changes, Pages: k.pages, Holders: k.decider.holders})
		ompb.RegisterGroupServiceServer(r, &organization.GroupService{Bindings: k.bindings(resource.Group, resource.PrefixOrganization),
			DB: s.db, Changes: k.changes, Pages: k.pages, Quotas: k.quotas, Containers: organization.OwnContainer})
		ompb.RegisterUserServiceServer(r, &organization.UserService{DB: s.db, Changes: k.changes, Pages: k.pages, Grants: k.decider})
		ompb.RegisterGroupMappingServiceServer(r, ompb.UnimplementedGroupMappingServiceServer{})
		samlpb.RegisterCertificateServiceServer(r, samlpb.UnimplementedCertificateServiceServer{})
		samlpb.RegisterFederationServiceServer(r, samlpb.UnimplementedFederationServiceServer{})
	},
}

func (s *Server) organizationOfContainer(ctx context.Context, id string) (organizationID string, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		organizationID, err = organization.OwnContainer(tx, id)
		return err
	})
	return organizationID, err
}
