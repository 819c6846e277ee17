package organization

import (
	"context"
	"errors"
	"slices"

	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// ListEffective pages through the groups of one organization that a subject is
// in. A subject that is unknown, or none of the caller's business, is in none.
func (s *GroupService) ListEffective(ctx context.Context, r *ompb.ListEffectiveRequest) (*ompb.ListEffectiveResponse, error) {
	subject := iam.SubjectID(r.GetSubjectId())
	organizationID, err := s.whereEffective(ctx, subject, r.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: organizationID + "/" + r.GetSubjectId(), Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	wanted, err := parseGroupFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*iam.Group
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = effective(tx, subject, organizationID, wanted, store.Page{After: after, Limit: size + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ompb.ListEffectiveResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, groupPlace)
	for _, g := range rows {
		out.GroupMembershipInfo = append(out.GroupMembershipInfo, &ompb.GroupMembershipInfo{GroupId: g.ID, GroupName: g.Name})
	}
	return out, nil
}

// whereEffective is the organization to look in, which the caller may look in.
// Without one it is the only one that the subject belongs to
// [API fact: ListEffectiveRequest.organization_id].
func (s *GroupService) whereEffective(ctx context.Context, subject iam.SubjectID, given string) (string, error) {
	const list iam.Permission = "organization-manager.groups.list"
	own := subject == gate.From(ctx).Caller().ID
	if given != "" {
		if !own {
			return given, gate.Require(ctx, list, resource.Organization, given)
		}
		knows, err := gate.Knows(ctx, given)
		if err == nil && !knows {
			err = iam.Errorf(iam.NotFound, "Organization %s not found", given)
		}
		return given, err
	}
	var all []string
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		all, err = organizationsOf(tx, subject)
		return err
	})
	if err != nil {
		return "", err
	}
	var mine []string
	for _, id := range all {
		may := own
		if !own {
			if may, err = gate.Allows(ctx, list, id); err != nil {
				return "", err
			}
		}
		if may {
			mine = append(mine, id)
		}
	}
	if len(mine) != 1 {
		return "", iam.InvalidField("organization_id", "required, unless the subject belongs to one organization, whose groups the caller may list")
	}
	return mine[0], nil
}

// organizationsOf are the organizations that a subject is a member of or, as a
// service account, stands in.
func organizationsOf(tx *store.Tx, subject iam.SubjectID) ([]string, error) {
	all, err := store.OrganizationsOf(tx, subject)
	if err != nil {
		return nil, err
	}
	_, err = store.GetServiceAccount(tx, string(subject))
	if errors.Is(err, iam.NotFound) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := store.OrganizationOf(tx, string(subject))
	if err == nil && !slices.Contains(all, own) {
		all = append(all, own)
	}
	return all, err
}

// effective fills a page with the groups that a filter lets through.
func effective(tx *store.Tx, subject iam.SubjectID, organizationID string, wanted groupFilter, p store.Page) ([]*iam.Group, error) {
	var out []*iam.Group
	for {
		rows, err := store.ListGroupsOf(tx, subject, organizationID, p)
		if err != nil {
			return nil, err
		}
		for _, g := range rows {
			if wanted.match(g) {
				if out = append(out, g); len(out) == p.Limit {
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
