package server

import (
	"slices"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"

	"github.com/propusk/propusk/internal/cloudapi/endpoint"
	operationapi "github.com/propusk/propusk/internal/cloudapi/operation"
	"github.com/propusk/propusk/internal/cloudapi/resourcemanager"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
)

// hierarchyArea is clouds and folders, operations on anything, and where the
// services are.
var hierarchyArea = area{
	rules: slices.Concat(endpoint.Rules, operationapi.Rules, resourcemanager.CloudRules, resourcemanager.FolderRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		s.deletions = &resourcemanager.Deletions{DB: s.db, Changes: k.changes, RecordJob: s.recordJob}
		endpointpb.RegisterApiEndpointServiceServer(r, endpoint.New(s.apiAddress(), s.cfg.Endpoints))
		operationpb.RegisterOperationServiceServer(r, &operationapi.Service{
			DB: s.db, ListPermission: s.listOperationsOf, CancelDeletion: s.deletions.Cancel})
		rmpb.RegisterCloudServiceServer(r, &resourcemanager.CloudService{Bindings: k.bindings(resource.Cloud, resource.PrefixManager),
			Policies: k.policies(resource.Cloud, resource.PrefixManager), Quotas: k.quotas,
			DB: s.db, Changes: k.changes, Pages: k.pages, Deletions: s.deletions, Holders: k.decider.holders})
		rmpb.RegisterFolderServiceServer(r, &resourcemanager.FolderService{Bindings: k.bindings(resource.Folder, resource.PrefixManager),
			Policies: k.policies(resource.Folder, resource.PrefixManager), Quotas: k.quotas,
			DB: s.db, Changes: k.changes, Pages: k.pages, Deletions: s.deletions})
	},
}
