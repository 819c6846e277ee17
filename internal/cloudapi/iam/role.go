package iam

import (
	"context"
	"regexp"
	"sort"
	"strings"
	"sync"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// RoleRules are the rows of RoleService.
var RoleRules = gate.Rules("yandex.cloud.iam.v1.RoleService",
	gate.Rule{Method: "Get", Why: "everybody's roles are no secret; an organization's own are shown to who knows the organization"},
	gate.Rule{Method: "List", Why: "everybody's roles are no secret; an organization's own are shown to who knows the organization"},
)

// RoleService is yandex.cloud.iam.v1.RoleService. What a role holds is not
// shown [API fact: Role has an id and a description alone].
type RoleService struct {
	iampb.UnimplementedRoleServiceServer
	Pages cloudapi.Pages
	// Roles are all roles there are, sorted by id.
	Roles func(ctx context.Context) ([]iam.Role, error)
	// Known are the organizations that a subject belongs to or is bound in.
	Known func(ctx context.Context, who iam.Subject) (map[string]bool, error)
}

// Get returns a role.
func (s *RoleService) Get(ctx context.Context, r *iampb.GetRoleRequest) (*iampb.Role, error) {
	roles, err := s.Roles(ctx)
	if err != nil {
		return nil, err
	}
	id := iam.RoleID(r.GetRoleId())
	at := after(roles, id) - 1
	if at < 0 || roles[at].ID != id {
		return nil, noRole(id)
	}
	if organization := roles[at].Organization; organization != "" {
		knows, err := gate.Knows(ctx, organization)
		if err != nil {
			return nil, err
		}
		if !knows {
			return nil, noRole(id)
		}
	}
	return roleProto(roles[at]), nil
}

func noRole(id iam.RoleID) error { return iam.Errorf(iam.NotFound, "Role %s not found", id) }

// List pages through the roles that the caller may know of, ordered by id. The
// filter is id="<role>", with or without spaces around the sign.
func (s *RoleService) List(ctx context.Context, r *iampb.ListRolesRequest) (*iampb.ListRolesResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	place, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	only, err := roleFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	roles, err := s.Roles(ctx)
	if err != nil {
		return nil, err
	}
	roles = roles[after(roles, iam.RoleID(place)):]
	if only != "" {
		end := after(roles, only)
		roles = roles[max(0, end-1):end]
		if len(roles) > 0 && roles[0].ID != only {
			roles = nil
		}
	}
	rows, err := s.visible(ctx, roles, size+1)
	if err != nil {
		return nil, err
	}
	out := &iampb.ListRolesResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(r iam.Role) string { return string(r.ID) })
	for _, row := range rows {
		out.Roles = append(out.Roles, roleProto(row))
	}
	return out, nil
}

// visible takes the first roles that the caller may know of.
func (s *RoleService) visible(ctx context.Context, roles []iam.Role, limit int) (rows []iam.Role, err error) {
	var known map[string]bool // asked for when there is something to hide
	for _, r := range roles {
		if len(rows) == limit {
			break
		}
		if r.Organization != "" {
			if known == nil {
				if known, err = s.Known(ctx, gate.From(ctx).Caller()); err != nil {
					return nil, err
				}
			}
			if !known[r.Organization] {
				continue
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// after is the index of the first role that comes after an id.
func after(roles []iam.Role, id iam.RoleID) int {
	return sort.Search(len(roles), func(i int) bool { return roles[i].ID > id })
}

var roleCondition = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*id\s*=\s*"([^"\\]{1,64})"\s*$`) })

func roleFilter(filter string) (iam.RoleID, error) {
	if strings.TrimSpace(filter) == "" {
		return "", nil
	}
	m := roleCondition().FindStringSubmatch(filter)
	if m == nil {
		return "", iam.InvalidField("filter", `expected id="<role id of 1 to 64 characters>": roles can be filtered by nothing else`)
	}
	return iam.RoleID(m[1]), nil
}

func roleProto(r iam.Role) *iampb.Role {
	return &iampb.Role{Id: string(r.ID), Description: r.Description}
}
