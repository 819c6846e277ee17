package server

import (
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	samlpb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"

	"github.com/propusk/propusk/internal/cloudapi/organization"
	"github.com/propusk/propusk/internal/gate"
)

// organizationArea is organizations, groups, and the people in both.
var organizationArea = area{
	rules: append(gate.MissingRules("yandex.cloud.organizationmanager.v1.OrganizationService", "yandex.cloud.organizationmanager.v1.GroupService", "yandex.cloud.organizationmanager.v1.GroupMappingService", "yandex.cloud.organizationmanager.v1.saml.CertificateService", "yandex.cloud.organizationmanager.v1.saml.FederationService"), organization.UserRules...),
	register: func(s *Server, k kit, r *gate.Registrar) {
		ompb.RegisterOrganizationServiceServer(r, ompb.UnimplementedOrganizationServiceServer{})
		ompb.RegisterGroupServiceServer(r, ompb.UnimplementedGroupServiceServer{})
		ompb.RegisterUserServiceServer(r, &organization.UserService{DB: s.db, Changes: k.changes, Pages: k.pages})
		ompb.RegisterGroupMappingServiceServer(r, ompb.UnimplementedGroupMappingServiceServer{})
		samlpb.RegisterCertificateServiceServer(r, samlpb.UnimplementedCertificateServiceServer{})
		samlpb.RegisterFederationServiceServer(r, samlpb.UnimplementedFederationServiceServer{})
	},
}
