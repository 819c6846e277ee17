package oauthapi

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// SignOutTarget judges where a program wants a person to be sent after signing
// out (OpenID Connect RP-Initiated Logout 1.0 sections 2 and 3): to an address
// that its owner has registered for this and to none else. A hint that is not, or
// can no longer be told to be, an ID token of this server says nothing. It fails
// with INVALID_ARGUMENT of client_id or post_logout_redirect_uri.
func (s *AuthorizationService) SignOutTarget(ctx context.Context, r *propuskpb.SignOutTargetRequest) (*propuskpb.SignOutTargetResponse, error) {
	clientID := r.GetClientId()
	if text := r.GetIdTokenHint(); text != "" {
		issuer, err := s.Issuer()
		if err != nil {
			return nil, err
		}
		hint, err := s.Keys.VerifyHint(ctx, text, issuer)
		switch {
		case err == nil && clientID != "" && clientID != hint.ClientID:
			return nil, iam.InvalidField("client_id", "id_token_hint was made for another program")
		case err == nil:
			clientID = hint.ClientID
		case !errors.Is(err, iam.Unauthenticated):
			return nil, err
		}
	}
	out := &propuskpb.SignOutTargetResponse{}
	if clientID == "" {
		return out, nil
	}
	client, err := s.Clients.Find(ctx, clientID)
	if errors.Is(err, iam.NotFound) {
		return nil, errNoClient
	}
	if err != nil {
		return nil, err
	}
	if uri := r.GetPostLogoutRedirectUri(); uri != "" {
		if !slices.Contains(client.PostLogoutRedirectURIs, uri) {
			return nil, iam.InvalidField("post_logout_redirect_uri", "is none of those that the program has registered")
		}
		out.Location = uri
		if r.GetState() != "" {
			out.Location = withQuery(uri, url.Values{"state": {r.GetState()}})
		}
	}
	out.Program, err = s.program(ctx, client, r.GetPostLogoutRedirectUri())
	return out, err
}
