package oauthapi

import (
	"context"
	"errors"
	"slices"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Clients knows the programs that may ask for tokens, and proves them.
type Clients struct {
	Reads   credential.OAuthClients
	Secrets *credential.OAuthClientSecret
	Used    func(secretID string) // is told when a secret has proved a client
}

// Find is a client of every server, or one that somebody has registered; NOT_FOUND
// when there is none of that id. The caller changes nothing in it.
func (c *Clients) Find(ctx context.Context, id string) (*iam.OAuthClient, error) {
	if b := oauthclient.Builtin(id); b != nil {
		return b, nil
	}
	return c.Reads.OAuthClient(ctx, id)
}

// Organization is where a client stands; "" of one that every server has.
func (c *Clients) Organization(ctx context.Context, client *iam.OAuthClient) (string, error) {
	if oauthclient.Builtin(client.ID) != nil {
		return "", nil
	}
	ancestors, err := c.Reads.Ancestors(ctx, client.FolderID)
	if err != nil {
		return "", err
	}
	for _, a := range ancestors {
		if a.Kind == resource.Organization {
			return a.ID, nil
		}
	}
	return "", iam.Errorf(iam.NotFound, "OAuth client %s not found", client.ID)
}

var clientMethods = map[propuskpb.OAuthClientProof_Method]string{
	propuskpb.OAuthClientProof_NONE:  oauthclient.NoSecret,
	propuskpb.OAuthClientProof_BASIC: oauthclient.SecretBasic,
	propuskpb.OAuthClientProof_POST:  oauthclient.SecretPost,
}

var errInvalidClient = iam.OAuthError(iam.OAuthInvalidClient,
	"There is no such OAuth client, it does not prove itself in this way, or the secret is not one of its own")

// Prove is the client that has named itself and shown its secret in a way that
// its owner has chosen (RFC 6749 section 2.3). One answer, invalid_client, to all
// that is wrong; otherwise it fails as the reads fail.
func (c *Clients) Prove(ctx context.Context, p *propuskpb.OAuthClientProof) (*credential.ProvedOAuthClient, error) {
	client, err := c.Find(ctx, p.GetClientId())
	if errors.Is(err, iam.NotFound) {
		return nil, errInvalidClient
	}
	if err != nil {
		return nil, err
	}
	method, ok := clientMethods[p.GetMethod()]
	if !ok || !slices.Contains(client.AuthenticationMethods, method) {
		return nil, errInvalidClient
	}
	var proved *credential.ProvedOAuthClient
	switch {
	case method != oauthclient.NoSecret:
		if proved, err = c.Secrets.Prove(ctx, client.ID, p.GetClientSecret()); err == nil {
			c.Used(proved.SecretID)
		}
	case p.GetClientSecret() != "": // a secret of a client that has none
		return nil, errInvalidClient
	case oauthclient.Builtin(client.ID) != nil:
		return &credential.ProvedOAuthClient{Client: client, Position: c.Reads.Position()}, nil
	default:
		proved, err = c.Secrets.Named(ctx, client)
	}
	if errors.Is(err, iam.Unauthenticated) {
		return nil, errInvalidClient
	}
	return proved, err
}
