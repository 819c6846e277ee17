package mint

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/propusk/propusk/token"
)

// A feed key's certificate is short, so that a feed key that leaked is useless
// soon after it has been distrusted.
const (
	certificateLife  = 7 * 24 * time.Hour
	certificateFresh = 24 * time.Hour // a certificate older than this is replaced
	certificateSkew  = 5 * time.Minute
)

type certified struct {
	key    *SigningKey
	signed time.Time
	signer token.FeedSigner
}

// FeedSigner signs the key set and the revocation feed now: the feed key, and
// the root's certificate of it. UNAVAILABLE when there is no such key.
func (k *Keyring) FeedSigner(now time.Time) (token.FeedSigner, error) {
	r := k.held.Load()
	feed, err := orNone(current(r.feed, now))
	if err != nil {
		return token.FeedSigner{}, err
	}
	if c := k.certified.Load(); c != nil && c.key == feed && !now.Before(c.signed) && now.Sub(c.signed) < certificateFresh {
		return c.signer, nil
	}
	root, err := orNone(current(r.root, now))
	if err != nil {
		return token.FeedSigner{}, err
	}
	text, err := token.SignCertificate(token.Certificate{
		Installation: k.installation, Key: feed.Public,
		NotBefore: now.Add(-certificateSkew), NotAfter: now.Add(certificateLife),
	}, root.Signer)
	if err != nil {
		return token.FeedSigner{}, fmt.Errorf("certify feed key %s: %w", feed.ID, err)
	}
	c := &certified{key: feed, signed: now, signer: token.FeedSigner{Certificate: text, Key: feed.Signer}}
	k.certified.Store(c)
	return c.signer, nil
}

// RootKey is what verifiers pin: the public half of the key that certifies
// feed keys. UNAVAILABLE when there is none.
func (k *Keyring) RootKey(now time.Time) (ed25519.PublicKey, error) {
	root, err := orNone(current(k.held.Load().root, now))
	if err != nil {
		return nil, err
	}
	return root.Public, nil
}
