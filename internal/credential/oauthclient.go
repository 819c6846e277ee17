package credential

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/token"
)

// A secret of an OAuth client is "yccs__", 64 hex digits that are random, "_" and
// eight of a checksum. Ten of the digits are shown in the mask [API fact: formats
// of credentials; OAuthClientSecret.masked_secret].
const (
	clientSecretPrefix = "yccs__"
	clientSecretRandom = 32 // bytes
	clientSecretShown  = 10
)

// NewOAuthClientSecret is a fresh secret of an OAuth client, with all that is kept
// of it. The other fields of the row are the caller's.
func NewOAuthClientSecret() (iam.Secret, *iam.OAuthClientSecret) {
	var raw [clientSecretRandom]byte
	_, _ = rand.Read(raw[:])
	text := clientSecretPrefix + hex.EncodeToString(raw[:]) + "_"
	text += leak.ClientSecretSum(text)
	hash := sha256.Sum256([]byte(text))
	return iam.NewSecret(text), &iam.OAuthClientSecret{
		MaskedSecret: text[:len(clientSecretPrefix)+clientSecretShown] + "****", Lookup: lookupOf(&hash), Hash: hash[:]}
}

// OAuthClientSecretForm tells whether a text may be the secret of an OAuth client:
// the prefix, the length, the alphabet, the checksum.
func OAuthClientSecretForm(text string) bool {
	return strings.HasPrefix(text, clientSecretPrefix) && leak.Valid(leak.OAuthClientSecret, text)
}

// OAuthClients is what the proof of an OAuth client reads.
type OAuthClients interface {
	// Position is the feed position that reads from now on have applied.
	Position() iam.Position
	OAuthClient(ctx context.Context, id string) (*iam.OAuthClient, error)
	// FindOAuthClientSecret is the secret that a look-up leads to; see
	// iam.OAuthClientSecret.
	FindOAuthClientSecret(ctx context.Context, lookup string) (*iam.OAuthClientSecret, error)
	// Ancestors lists a resource, itself first, its organization last.
	Ancestors(ctx context.Context, id string) ([]resource.Ref, error)
}

// ProvedOAuthClient is a proved OAuth client. It is no subject: it asks in the
// name of others.
type ProvedOAuthClient struct {
	Client   *iam.OAuthClient // read-only
	SecretID string
	// Position and DependsOn are as in Identity.
	Position  iam.Position
	DependsOn []token.Dependency
}

// OAuthClientSecret proves an OAuth client by one of its secrets. It is safe for
// use by many goroutines.
type OAuthClientSecret struct{ Reads OAuthClients }

// Prove checks the secret of the client with an id. A secret that is malformed,
// unknown, deleted or another client's, and a client that there is not, get one
// and the same answer. It fails with UNAUTHENTICATED, or as the reads fail.
func (p *OAuthClientSecret) Prove(ctx context.Context, clientID, text string) (*ProvedOAuthClient, error) {
	if !OAuthClientSecretForm(text) {
		return nil, errOAuthClient
	}
	position := p.Reads.Position() // before the rows: what changes after it ends what is made of this
	hash := sha256.Sum256([]byte(text))
	secret, err := p.Reads.FindOAuthClientSecret(ctx, lookupOf(&hash))
	if err != nil {
		return nil, goneOr(err, errOAuthClient)
	}
	if subtle.ConstantTimeCompare(hash[:], secret.Hash) != 1 || secret.OAuthClientID != clientID {
		return nil, errOAuthClient
	}
	client, err := p.Reads.OAuthClient(ctx, clientID)
	if err != nil {
		return nil, goneOr(err, errOAuthClient)
	}
	ancestors, err := p.Reads.Ancestors(ctx, client.FolderID)
	if err != nil {
		return nil, goneOr(err, errOAuthClient)
	}
	depends := make([]token.Dependency, 0, 5)
	depends = append(depends, token.Dependency{Kind: token.KindCredential, ID: secret.ID}, token.Dependency{Kind: token.KindCredential, ID: client.ID})
	return &ProvedOAuthClient{Client: client, SecretID: secret.ID, Position: position,
		DependsOn: homeOf(ancestors).dependencies(depends)}, nil
}

// Named is a client that has shown nothing but its name. What is made for it
// depends on the client and what it stands in. It fails as Prove does.
func (p *OAuthClientSecret) Named(ctx context.Context, client *iam.OAuthClient) (*ProvedOAuthClient, error) {
	position := p.Reads.Position()
	ancestors, err := p.Reads.Ancestors(ctx, client.FolderID)
	if err != nil {
		return nil, goneOr(err, errOAuthClient)
	}
	return &ProvedOAuthClient{Client: client, Position: position,
		DependsOn: homeOf(ancestors).dependencies([]token.Dependency{{Kind: token.KindCredential, ID: client.ID}})}, nil
}

var errOAuthClient = refuse("oauth_client_invalid", "There is no such OAuth client, or the secret is not one of its own")
