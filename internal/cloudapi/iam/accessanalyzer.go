package iam

import (
	"context"
	"strings"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// AccessAnalyzerRules are the rows of AccessAnalyzerService.
var AccessAnalyzerRules = gate.Rules("yandex.cloud.iam.v1.AccessAnalyzerService",
	gate.Rule{Method: "ListSubjectAccessBindings", Permission: "iam.accessAnalyzer.list",
		Target: gate.On(resource.Organization, "organization_id")},
)

// AccessAnalyzerService is yandex.cloud.iam.v1.AccessAnalyzerService.
type AccessAnalyzerService struct {
	iampb.UnimplementedAccessAnalyzerServiceServer
	DB    *store.DB
	Pages cloudapi.Pages
}

// ListSubjectAccessBindings pages through everything that is bound to a subject
// in an organization: to itself, not to its groups. A subject that nobody knows
// has nothing.
func (s *AccessAnalyzerService) ListSubjectAccessBindings(ctx context.Context, r *iampb.ListSubjectAccessBindingsRequest) (*iampb.ListSubjectAccessBindingsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetOrganizationId(), Filter: r.GetSubjectId(),
		Size: r.GetPageSize(), Token: r.GetPageToken()}
	place, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	id, role, _ := strings.Cut(place, "\x00")
	after := store.SubjectBinding{Resource: resource.Ref{ID: id}, Role: iam.RoleID(role)}
	var rows []store.SubjectBinding
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListSubjectBindings(tx, r.GetOrganizationId(), iam.SubjectID(r.GetSubjectId()), after, size+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &iampb.ListSubjectAccessBindingsResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size,
		func(b store.SubjectBinding) string { return b.Resource.ID + "\x00" + string(b.Role) })
	for _, b := range rows {
		out.SubjectAccessBindings = append(out.SubjectAccessBindings, &iampb.SubjectAccessBinding{
			RoleId: string(b.Role), SubjectId: r.GetSubjectId(),
			Resource: &iampb.Resource{Id: b.Resource.ID, Type: string(b.Resource.Kind)}})
	}
	return out, nil
}
