package oauthapi

import (
	"context"
	"slices"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var userInfoRules = []gate.Rule{
	{Method: "GetUserInfo", Proof: gate.Body},
}

// UserInfos tells a program about its person.
type UserInfos struct {
	DB      *store.DB
	Access  *AccessTokens
	Clients *Clients
}

func hasScope(scopes []string, one string) bool { return slices.Contains(scopes, one) }

// GetUserInfo tells of the subject of a token, as far as its scopes go. To whoever
// holds an IAM token it tells who he is and what he is called.
func (s *UserInfos) GetUserInfo(ctx context.Context, r *propuskpb.GetUserInfoRequest) (*propuskpb.GetUserInfoResponse, error) {
	id := gate.From(ctx).Identity
	out := &propuskpb.GetUserInfoResponse{Sub: string(id.Subject.ID), SubjectType: string(id.Subject.Type)}
	if id.Subject.Type != iam.TypeUserAccount {
		return out, nil
	}
	scopes, organizationID := id.Scopes, ""
	if scopes == nil {
		scopes = []string{oauthclient.ScopeProfile, oauthclient.ScopeEmail} // which it may read elsewhere too
	} else if hasScope(scopes, oauthclient.ScopeGroups) {
		t, err := s.Access.Live(ctx, r.GetAccessToken())
		if err != nil {
			return nil, err
		}
		if organizationID, err = s.Clients.Organization(ctx, t.Client); err != nil {
			return nil, err
		}
	}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		c, err := claimsOf(tx, out.GetSub(), organizationID, scopes)
		out.Name, out.GivenName, out.FamilyName, out.PreferredUsername = c.Name, c.GivenName, c.FamilyName, c.Login
		out.Email, out.EmailVerified, out.Groups = c.Email, c.EmailVerified, c.Groups
		return err
	})
}
