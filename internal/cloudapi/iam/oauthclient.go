package iam

import (
	"context"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// OAuthClientLookup is the name of the gate's lookup from an OAuth client to its
// folder.
const OAuthClientLookup = "oauthClient"

var (
	onClientsFolder = gate.On(resource.Folder, "folder_id")
	viaOAuthClient  = gate.Via(OAuthClientLookup, "oauth_client_id")
)

// OAuthClientRules are the rows of OAuthClientService.
var OAuthClientRules = gate.Rules("yandex.cloud.iam.v1.OAuthClientService",
	gate.Rule{Method: "Get", Permission: "iam.oauthClients.get", Target: viaOAuthClient},
	gate.Rule{Method: "List", Permission: "iam.oauthClients.list", Target: onClientsFolder},
	gate.Rule{Method: "ListProfiles", Why: "which profiles there are is no secret"},
	gate.Rule{Method: "Create", Permission: "iam.oauthClients.create", Target: onClientsFolder,
		Effect: gate.Changes, Event: "iam.oauthclient.CreateOAuthClient"},
	gate.Rule{Method: "Update", Permission: "iam.oauthClients.update", Target: viaOAuthClient,
		Effect: gate.Changes, Event: "iam.oauthclient.UpdateOAuthClient"},
	gate.Rule{Method: "Delete", Permission: "iam.oauthClients.delete", Target: viaOAuthClient,
		Effect: gate.Changes, Event: "iam.oauthclient.DeleteOAuthClient"},
)

// OAuthClientService is yandex.cloud.iam.v1.OAuthClientService.
type OAuthClientService struct {
	iampb.UnimplementedOAuthClientServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
}

// Get returns an OAuth client.
func (s *OAuthClientService) Get(ctx context.Context, r *iampb.GetOAuthClientRequest) (*iampb.OAuthClient, error) {
	var c *iam.OAuthClient
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		c, err = store.GetOAuthClient(tx, r.GetOauthClientId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return oauthClientProto(c), nil
}

// List pages through the OAuth clients of a folder: their ids and names.
func (s *OAuthClientService) List(ctx context.Context, r *iampb.ListOAuthClientsRequest) (*iampb.ListOAuthClientsResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: call.Target, Size: r.GetPageSize(), Token: r.GetPageToken()}
	clients, next, err := cloudapi.PageByID(ctx, s.DB, s.Pages, l, store.ListOAuthClients, func(c *iam.OAuthClient) *iampb.OAuthClientListView {
		return &iampb.OAuthClientListView{Id: c.ID, Name: c.Name}
	})
	return &iampb.ListOAuthClientsResponse{OauthClients: clients, NextPageToken: next}, err
}

// ListProfiles lists what clients of each profile may choose.
func (s *OAuthClientService) ListProfiles(context.Context, *iampb.ListProfilesRequest) (*iampb.ListProfilesResponse, error) {
	out := &iampb.ListProfilesResponse{}
	for _, p := range oauthclient.Profiles() {
		out.Profiles = append(out.Profiles, &iampb.Profile{Id: p.ID, AuthenticationMethodsAllowedValues: p.Methods,
			AuthenticationMethodsDefaultValues: p.DefaultMethods, PkceRequiredReadonly: p.PKCEFixed, PkceRequiredDefaultValue: p.PKCEDefault})
	}
	return out, nil
}

// Create makes an OAuth client in a folder. Its name is unique there; its
// profile, Web when none is named, is its own for life.
func (s *OAuthClientService) Create(ctx context.Context, r *iampb.CreateOAuthClientRequest) (*operationpb.Operation, error) {
	p, err := oauthclient.ProfileOf(r.GetProfileId())
	if r.GetProfileId() == "" {
		p, err = oauthclient.ProfileOf(oauthclient.Web)
	}
	if err != nil {
		return nil, err
	}
	id := resource.NewID(resource.PrefixIAM)
	c := &iam.OAuthClient{ID: id, FolderID: r.GetFolderId(), Name: r.GetName(), ProfileID: p.ID, RedirectURIs: r.GetRedirectUris(),
		PostLogoutRedirectURIs: r.GetPostLogoutRedirectUris(), Scopes: r.GetScopes(), AuthenticationMethods: methodsOr(r.GetAuthenticationMethods(), p),
		PKCERequired: r.GetPkceRequired() || p.PKCEDefault} // on the wire "no" is the same as nothing
	if err := p.Check(c); err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Note("oauth_client_id", id)
	call.Note("oauth_client_name", r.GetName())
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: "Create OAuth client",
		Metadata: &iampb.CreateOAuthClientMetadata{OauthClientId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := cloudapi.FolderAccepts(tx, c.FolderID); err != nil {
			return nil, err
		}
		c.CreatedAt = tx.Now()
		return oauthClientProto(c), store.InsertOAuthClient(tx, c)
	})
}

// methodsOr are the chosen methods, or those of the profile when none is.
func methodsOr(chosen []string, p oauthclient.Profile) []string {
	if len(chosen) == 0 {
		return p.DefaultMethods
	}
	return chosen
}

// Update writes the fields of the mask, or all that can be updated without one.
// PKCE is made optional by a mask that names it alone: without one, "no" is the
// same as nothing.
func (s *OAuthClientService) Update(ctx context.Context, r *iampb.UpdateOAuthClientRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "name", "redirect_uris", "post_logout_redirect_uris", "scopes",
		"authentication_methods", "pkce_required")
	if err != nil {
		return nil, err
	}
	masked := len(r.GetUpdateMask().GetPaths()) > 0
	return s.change(ctx, r.GetOauthClientId(), "Update OAuth client", &iampb.UpdateOAuthClientMetadata{OauthClientId: r.GetOauthClientId()},
		func(tx *store.Tx, c *iam.OAuthClient) (proto.Message, error) {
			p, err := oauthclient.ProfileOf(c.ProfileID)
			if err != nil {
				return nil, iam.Wrap(err, iam.Internal, "The profile of OAuth client %s is not known here", c.ID)
			}
			if mask.Has("name") {
				c.Name = r.GetName()
			}
			if mask.Has("redirect_uris") {
				c.RedirectURIs = r.GetRedirectUris()
			}
			if mask.Has("post_logout_redirect_uris") {
				c.PostLogoutRedirectURIs = r.GetPostLogoutRedirectUris()
			}
			if mask.Has("scopes") {
				c.Scopes = r.GetScopes()
			}
			if mask.Has("authentication_methods") {
				c.AuthenticationMethods = methodsOr(r.GetAuthenticationMethods(), p)
			}
			if mask.Has("pkce_required") {
				c.PKCERequired = r.GetPkceRequired() || !masked && p.PKCEDefault
			}
			if err := p.Check(c); err != nil {
				return nil, err
			}
			return oauthClientProto(c), store.UpdateOAuthClient(tx, c)
		})
}

// Delete removes an OAuth client with its secrets and ends what was made for it.
func (s *OAuthClientService) Delete(ctx context.Context, r *iampb.DeleteOAuthClientRequest) (*operationpb.Operation, error) {
	return s.change(ctx, r.GetOauthClientId(), "Delete OAuth client", &iampb.DeleteOAuthClientMetadata{OauthClientId: r.GetOauthClientId()},
		func(tx *store.Tx, c *iam.OAuthClient) (proto.Message, error) {
			if err := store.DeleteOAuthClient(tx, c.ID); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, revocation.Revoke(tx, token.KindCredential, c.ID)
		})
}

func (s *OAuthClientService) change(ctx context.Context, id, what string, meta proto.Message,
	act func(tx *store.Tx, c *iam.OAuthClient) (proto.Message, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("oauth_client_id", id)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: what, Metadata: meta,
	}, func(tx *store.Tx) (proto.Message, error) {
		c, err := store.HoldOAuthClient(tx, id)
		if err != nil {
			return nil, err
		}
		return act(tx, c)
	})
}

func oauthClientProto(c *iam.OAuthClient) *iampb.OAuthClient {
	return &iampb.OAuthClient{
		Id: c.ID, Name: c.Name, RedirectUris: c.RedirectURIs, Scopes: c.Scopes, FolderId: c.FolderID,
		AuthenticationMethods: c.AuthenticationMethods, Status: iampb.OAuthClient_ACTIVE,
		PostLogoutRedirectUris: c.PostLogoutRedirectURIs, ProfileId: c.ProfileID, PkceRequired: c.PKCERequired,
	}
}
