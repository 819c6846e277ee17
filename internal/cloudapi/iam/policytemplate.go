package iam

import (
	"context"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
)

// PolicyTemplateRules are the rows of AccessPolicyTemplateService.
var PolicyTemplateRules = gate.Rules("yandex.cloud.iam.v1.AccessPolicyTemplateService",
	gate.Rule{Method: "List", Why: "the templates are the same for everybody"},
)

// PolicyTemplateService is yandex.cloud.iam.v1.AccessPolicyTemplateService.
type PolicyTemplateService struct {
	iampb.UnimplementedAccessPolicyTemplateServiceServer
	Pages     cloudapi.Pages
	Templates []cloudapi.PolicyTemplate // ordered by id
}

// List pages through the templates.
func (s *PolicyTemplateService) List(ctx context.Context, r *iampb.ListAccessPolicyTemplatesRequest) (*iampb.ListAccessPolicyTemplatesResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	var rows []cloudapi.PolicyTemplate
	for _, t := range s.Templates {
		if t.ID > after && len(rows) <= size {
			rows = append(rows, t)
		}
	}
	out := &iampb.ListAccessPolicyTemplatesResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(t cloudapi.PolicyTemplate) string { return t.ID })
	for _, t := range rows {
		out.AccessPolicyTemplates = append(out.AccessPolicyTemplates,
			&accesspb.AccessPolicy{Id: t.ID, Name: t.Name, Description: t.Description})
	}
	return out, nil
}
