package server

import (
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/cloudapi"
	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
)

// policyArea is deny rules, and where a subject has access.
var policyArea = area{
	rules: slices.Concat(iamapi.PolicyTemplateRules, iamapi.AccessAnalyzerRules),
	register: func(s *Server, k kit, r *gate.Registrar) {
		iampb.RegisterAccessPolicyTemplateServiceServer(r, &iamapi.PolicyTemplateService{Pages: k.pages, Templates: policyTemplates()})
		iampb.RegisterAccessAnalyzerServiceServer(r, &iamapi.AccessAnalyzerService{DB: s.db, Pages: k.pages})
	},
}

// policies are the four access-policy methods of a kind of resource; prefix is
// that of its operations' ids.
func (k kit) policies(kind resource.Kind, prefix string) cloudapi.Policies {
	return cloudapi.Policies{PolicyDB: k.changes.DB, PolicyChanges: k.changes, PolicyPages: k.pages,
		Templates: policyTemplates(), PolicyKind: kind, PolicyPrefix: prefix}
}

// policyTemplates are the templates that the decision enforces, by id.
func policyTemplates() []cloudapi.PolicyTemplate {
	var out []cloudapi.PolicyTemplate
	for _, t := range access.Templates() {
		out = append(out, cloudapi.PolicyTemplate{ID: t.ID, Name: t.Name, Description: t.Description, On: t.On})
	}
	return out
}
