package mint

import (
	"context"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// RegistryLife is how long a registry token lives unless RegistryRequest.NotAfter
// shortens it. A registry hears of no revocation, so it is short; clients ask for
// another one by themselves.
const RegistryLife = 5 * time.Minute

// RegistryAccess is what a token lets its holder do with one thing in a
// registry, as the distribution's token specification writes it.
type RegistryAccess struct {
	Type    string   `json:"type"`
	Class   string   `json:"class,omitempty"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// RegistryRequest asks for a registry token.
type RegistryRequest struct {
	Issuer   string
	Subject  string // "" of a caller who has not said who he is
	Audience string // the registry's own name
	NotAfter time.Time
	Access   []RegistryAccess
	// KeySet says that the registry knows the keys by their ids, and no
	// certificates: one that is shown a certificate which it cannot check refuses
	// the token, whatever else it knows.
	KeySet bool
}

type registryHeader struct {
	idHeader
	Chain [][]byte `json:"x5c,omitempty"` // RFC 7515 section 4.1.6: Base64, as encoding/json writes bytes
}

type registryClaims struct {
	idClaims
	NotBefore int64            `json:"nbf"`
	Access    []RegistryAccess `json:"access"`
}

// registryEarly is how far before it is made a token begins, for registries
// whose clocks are behind and that allow for no difference.
const registryEarly = 10 * time.Second

// Mint makes a registry token. It fails with UNAUTHENTICATED when NotAfter has
// passed, and UNAVAILABLE when no key may sign.
func (k *RegistryKeys) Mint(ctx context.Context, r RegistryRequest) (*IDToken, error) {
	made, now, err := k.signing.begin(ctx, RegistryLife, r.NotAfter)
	if err != nil {
		return nil, err
	}
	header := registryHeader{idHeader: idHeader{IDAlgorithm, made.KeyID, "JWT"}}
	if !r.KeySet {
		der, err := k.certificate(ctx, made.KeyID, &made.key.PublicKey)
		if err != nil {
			return nil, err
		}
		header.Chain = [][]byte{der}
	}
	access := r.Access
	if access == nil {
		access = []RegistryAccess{}
	}
	text, err := signRS256(made.key, header, registryClaims{
		idClaims:  idClaims{r.Issuer, r.Subject, r.Audience, now.Unix(), made.ExpiresAt.Unix(), made.ID},
		NotBefore: now.Add(-registryEarly).Unix(), Access: access})
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "The token could not be signed")
	}
	t := made.IDToken
	t.Text = iam.NewSecret(text)
	return &t, nil
}
