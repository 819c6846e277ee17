package cloudapi_test

import (
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func init() {
	services["policy"] = "yandex.cloud.iam.v1.AccessPolicyTemplateService"
	services["analyzer"] = "yandex.cloud.iam.v1.AccessAnalyzerService"
	services["quota"] = "yandex.cloud.quotamanager.v1.QuotaLimitService"
	services["quotaRequest"] = "yandex.cloud.quotamanager.v1.QuotaRequestService"
	areaRows = append(areaRows, policyRows, quotaRows)
}

// template is one that no other row runs into.
const template = "iam.denyServiceAccountAccessKeysCreation"

func policyRows(w *world) []row {
	all := []row{
		{"policy.List", "U++++++", fixed(&iampb.ListAccessPolicyTemplatesRequest{})},
		{"analyzer.ListSubjectAccessBindings", "UNDDDD+", fixed(&iampb.ListSubjectAccessBindingsRequest{
			OrganizationId: w.home.OrganizationID, SubjectId: w.home.ServiceAccountID})},
	}
	for _, s := range []struct{ service, id, list, change string }{
		{"cloud", w.home.CloudID, "UND++++", "UNDDD++"},
		{"folder", w.home.FolderID, "UND++++", "UNDDD++"},
		{"org", w.home.OrganizationID, "UNDDDD+", "UNDDDD+"},
	} {
		bound := &accesspb.AccessPolicyBinding{AccessPolicyTemplateId: template}
		// reset leaves the resource with the template bound, or without.
		reset := func(bind bool, m proto.Message) func(*testing.T, *world, int) proto.Message {
			return func(t *testing.T, w *world, _ int) proto.Message {
				w.update(t, func(tx *store.Tx) error {
					have, err := store.ListPolicies(tx, s.id, "", 9)
					if err != nil || (len(have) == 1) == bind {
						return err
					}
					if bind {
						return store.BindPolicy(tx, s.id, store.PolicyBinding{TemplateID: template})
					}
					return store.UnbindPolicy(tx, s.id, template)
				})
				return m
			}
		}
		all = append(all,
			row{s.service + ".ListAccessPolicyBindings", s.list, fixed(&accesspb.ListAccessPolicyBindingsRequest{ResourceId: s.id})},
			row{s.service + ".BindAccessPolicy", s.change, reset(false, &accesspb.BindAccessPolicyRequest{ResourceId: s.id, AccessPolicyBinding: bound})},
			row{s.service + ".UpdateAccessPolicyBindingParameters", s.change, reset(true,
				&accesspb.UpdateAccessPolicyBindingParametersRequest{ResourceId: s.id, AccessPolicyBinding: bound})},
			row{s.service + ".UnbindAccessPolicy", s.change, reset(true, &accesspb.UnbindAccessPolicyRequest{ResourceId: s.id, AccessPolicyTemplateId: template})})
	}
	return all
}

func quotaRows(w *world) []row {
	cloud := &quotapb.Resource{Id: w.home.CloudID, Type: string(resource.Cloud)}
	wish := []*quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit{{QuotaId: "iam.apiKeys.count", DesiredLimit: 5000}}
	of := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, _ int) proto.Message {
			return build(w.owner.create(t, "quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{Resource: cloud, DesiredQuotaLimits: wish}))
		}
	}
	return []row{
		{"quota.Get", "UND++++", fixed(&quotapb.GetQuotaLimitRequest{Resource: cloud, QuotaId: "iam.serviceAccounts.count"})},
		{"quota.List", "UND++++", fixed(&quotapb.ListQuotaLimitsRequest{Resource: cloud, Service: "iam"})},
		{"quota.ListServices", "U++++++", fixed(&quotapb.ListServicesRequest{ResourceType: string(resource.Cloud)})},
		{"quotaRequest.Get", "UND++++", of(func(id string) proto.Message { return &quotapb.GetQuotaRequestRequest{QuotaRequestId: id} })},
		{"quotaRequest.List", "UND++++", fixed(&quotapb.ListQuotaRequestRequest{Resource: cloud})},
		{"quotaRequest.Create", "UNDDD++", fixed(&quotapb.CreateQuotaRequestRequest{Resource: cloud, DesiredQuotaLimits: wish})},
		{"quotaRequest.Cancel", "UNDDD++", of(func(id string) proto.Message {
			return &quotapb.CancelQuotaRequestRequest{QuotaRequestId: id, QuotaIds: []string{"iam.apiKeys.count"}}
		})},
		{"quotaRequest.ListOperations", "UND++++", of(func(id string) proto.Message {
			return &quotapb.ListQuotaRequestOperationsRequest{QuotaRequestId: id}
		})},
	}
}
