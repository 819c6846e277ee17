package oauthapi

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var clientRules = []gate.Rule{
	{Method: "ClientCredentials", Proof: gate.Body, Effect: gate.Issues, Event: "propusk.CreateClientAccessToken"},
}

// ClientGrants gives clients tokens of their own (RFC 6749 section 4.4): what they
// show each other, and what no service of the cloud takes. A client is no subject.
type ClientGrants struct {
	Clients *Clients
	Keys    *mint.IDKeys
	Issuer  func() (string, error)
	Now     func() time.Time
}

// ProveOwner proves a client by its secret.
func (s *ClientGrants) ProveOwner(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	p := m.(*propuskpb.ClientCredentialsGrantRequest).GetClient()
	gate.From(ctx).Note("client_id", iam.Conceal(p.GetClientId()))
	_, err := s.Clients.withSecret(ctx, p)
	return nil, err
}

// withSecret is Prove for what a client without a secret may not do.
func (c *Clients) withSecret(ctx context.Context, p *propuskpb.OAuthClientProof) (*credential.ProvedOAuthClient, error) {
	proved, err := c.Prove(ctx, p)
	if err == nil && proved.SecretID == "" {
		err = iam.OAuthError(iam.OAuthUnauthorizedClient, "This is for clients that have a secret")
	}
	return proved, err
}

// aboutPeople are scopes that mean nothing when there is no person.
var aboutPeople = []string{oauthclient.ScopeOpenID, oauthclient.ScopeProfile, oauthclient.ScopeEmail, oauthclient.ScopeGroups,
	oauthclient.ScopeOffline, oauthclient.ScopeCloud}

// ClientCredentials makes an access token of the client itself (RFC 9068): good
// for an hour, and, to whoever introspects it, as long as the secret is there. It
// has the scopes that are asked for and no others.
func (s *ClientGrants) ClientCredentials(ctx context.Context, r *propuskpb.ClientCredentialsGrantRequest) (*propuskpb.OAuthTokenResponse, error) {
	proved, err := s.Clients.withSecret(ctx, r.GetClient())
	if err != nil {
		return nil, err
	}
	client := proved.Client
	scopes, wrong := scopesFor(client, r.GetScope())
	if wrong == "" && slices.ContainsFunc(scopes, func(v string) bool { return slices.Contains(aboutPeople, v) }) {
		wrong = "One of the values of scope is about a person, and there is none"
	}
	if wrong != "" {
		return nil, iam.OAuthError(iam.OAuthInvalidScope, "%s", wrong)
	}
	if r.GetResource() != "" && !isResource(r.GetResource()) {
		return nil, iam.OAuthError(iam.OAuthInvalidTarget, "resource must be an absolute URI without a fragment (RFC 8707 section 2)")
	}
	issuer, err := s.Issuer()
	if err != nil {
		return nil, err
	}
	made, err := s.Keys.MintAccess(ctx, mint.AccessRequest{Issuer: issuer, Subject: client.ID, ClientID: client.ID, SecretID: proved.SecretID,
		Scopes: scopes, Audience: r.GetResource()})
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Note("oauth_client_secret_id", proved.SecretID)
	call.Note("scopes", strings.Join(scopes, " "))
	call.Note("jti", made.ID)
	call.Note("signing_key_id", made.KeyID)
	call.NoteDetail(audit.Time("expires_at", made.ExpiresAt))
	return &propuskpb.OAuthTokenResponse{AccessToken: made.Text.Reveal(), TokenType: bearer, Scope: strings.Join(scopes, " "),
		ExpiresIn: int64(made.ExpiresAt.Sub(s.Now().Truncate(time.Second)) / time.Second)}, nil
}

// isResource tells whether a text names a resource (RFC 8707 section 2).
func isResource(text string) bool {
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "" && u.User == nil && (u.Host != "" || u.Opaque != "")
}
