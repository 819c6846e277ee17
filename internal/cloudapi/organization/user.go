package organization

import (
	"context"
	"errors"

	oauthpb "github.com/yandex-cloud/go-genproto/yandex/cloud/oauth"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// UserRules are the rows of UserService.
var UserRules = gate.Rules("yandex.cloud.organizationmanager.v1.UserService",
	gate.Rule{Method: "ListMembers", Permission: "organization-manager.users.list", Target: gate.On(resource.Organization, "organization_id")},
	gate.Rule{Method: "DeleteMembership", Why: "asks for organization-manager.users.delete, unless the caller leaves himself",
		Effect: gate.Changes, Event: "organizationmanager.DeleteMembership"},
)

// UserService is yandex.cloud.organizationmanager.v1.UserService.
type UserService struct {
	ompb.UnimplementedUserServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Grants  cloudapi.Grants
}

// ListMembers pages through the people in an organization.
func (s *UserService) ListMembers(ctx context.Context, r *ompb.ListMembersRequest) (*ompb.ListMembersResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetOrganizationId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	var rows []*iam.UserAccount
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListMemberAccounts(tx, r.GetOrganizationId(), store.Page{After: after, Limit: size + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ompb.ListMembersResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(u *iam.UserAccount) string { return u.ID })
	for _, u := range rows {
		out.Users = append(out.Users, &ompb.ListMembersResponse_OrganizationUser{SubjectClaims: claimsProto(u)})
	}
	return out, nil
}

// DeleteMembership takes a person out of an organization, with his bindings
// and groups there; without subject_id the caller leaves. Tokens that name the
// organization as the person's end; others, and bindings in other
// organizations, stay. Owners are taken out by owners alone, and the last owner
// of the organization, or of a cloud in it, stays.
func (s *UserService) DeleteMembership(ctx context.Context, r *ompb.DeleteMembershipRequest) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	organizationID, subject := r.GetOrganizationId(), iam.SubjectID(r.GetSubjectId())
	if subject == "" {
		subject = call.Caller().ID
	}
	leaves := subject == call.Caller().ID
	if leaves {
		if before, err := s.mayLeave(ctx, organizationID); before != nil || err != nil {
			return before, err
		}
	} else if err := gate.Require(ctx, "organization-manager.users.delete", resource.Organization, organizationID); err != nil {
		return nil, err
	}
	call.Note("organization_id", organizationID)
	call.Note("subject_id", string(subject))
	dismissed, err := cloudapi.OwnersAlone(ctx, s.DB, s.Grants, organizationID, subject)
	if err != nil {
		return nil, err
	}
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixOrganization), ResourceID: organizationID, Description: "Delete membership",
		Metadata: &ompb.DeleteMembershipMetadata{OrganizationId: organizationID, SubjectId: string(subject)},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := dismissed(tx); err != nil {
			return nil, err
		}
		was, err := store.RemoveMember(tx, organizationID, subject)
		if err == nil && !was {
			err = iam.Errorf(iam.NotFound, "Subject %s not found", subject)
		}
		if err == nil {
			err = revocation.Revoke(tx, token.KindOrganization, iam.MembershipID(organizationID, subject))
		}
		return &ompb.DeleteMembershipResponse{OrganizationId: organizationID, SubjectId: string(subject)}, err
	})
}

// mayLeave refuses, as the corridor does, an organization that the caller has
// nothing to do with. To one who has left already an idempotency key gives the
// first answer again.
func (s *UserService) mayLeave(ctx context.Context, organizationID string) (before *operationpb.Operation, err error) {
	call := gate.From(ctx)
	missing := iam.Errorf(iam.NotFound, "Organization %s not found", organizationID)
	knows, err := gate.Knows(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	if !knows {
		m, err := s.Changes.Replay(ctx, call)
		if op, ok := m.(*operationpb.Operation); ok || err != nil {
			return op, err
		}
		return nil, missing
	}
	var path []resource.Ref
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		path, err = store.Ancestors(tx, organizationID)
		return err
	})
	if errors.Is(err, iam.NotFound) || err == nil && path[0].Kind != resource.Organization {
		return nil, missing
	}
	call.Target, call.Path = organizationID, path
	return nil, err
}

func claimsProto(u *iam.UserAccount) *oauthpb.SubjectClaims {
	return &oauthpb.SubjectClaims{
		Sub: u.ID, Name: u.Name, GivenName: u.GivenName, FamilyName: u.FamilyName, PreferredUsername: u.Login, Email: u.Email,
		SubType: oauthpb.SubjectType_USER_ACCOUNT, LastAuthenticatedAt: cloudapi.Time(u.LastAuthenticatedAt),
	}
}
