package token

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"time"
)

// Certificate is the root's word that a key signs what an installation
// publishes from NotBefore until NotAfter. Feed keys sign nothing else.
type Certificate struct {
	Installation string
	Key          ed25519.PublicKey
	NotBefore    time.Time
	NotAfter     time.Time // the first moment at which it no longer holds
}

type certificateBody struct {
	Installation string `json:"installation"`
	Key          b64    `json:"key"`
	NotBefore    int64  `json:"notBefore"` // Unix milliseconds
	NotAfter     int64  `json:"notAfter"`
}

// SignCertificate certifies a feed key with the root key.
func SignCertificate(c Certificate, root crypto.Signer) (SignedText, error) {
	switch {
	case !validID(c.Installation, MaxID):
		return SignedText{}, fmt.Errorf("certificate: %q is not an installation id", c.Installation)
	case len(c.Key) != ed25519.PublicKeySize:
		return SignedText{}, fmt.Errorf("certificate: the key has %d bytes, not %d", len(c.Key), ed25519.PublicKeySize)
	case !c.NotBefore.Before(c.NotAfter):
		return SignedText{}, fmt.Errorf("certificate: it ends before it begins")
	}
	return signText(certificateContext, certificateBody{
		c.Installation, b64(c.Key), c.NotBefore.UnixMilli(), c.NotAfter.UnixMilli(),
	}, root)
}

// VerifyCertificate checks a certificate against the pinned root. It must hold
// at now, give or take skew. Errors are ErrUntrusted.
func VerifyCertificate(t SignedText, root ed25519.PublicKey, now time.Time, skew time.Duration) (*Certificate, error) {
	var body certificateBody
	if err := t.open(certificateContext, root, &body); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	c := &Certificate{body.Installation, ed25519.PublicKey(body.Key), fromMilli(uint64(body.NotBefore)), fromMilli(uint64(body.NotAfter))}
	if !validID(c.Installation, MaxID) || len(c.Key) != ed25519.PublicKeySize {
		return nil, untrusted("the certificate names no installation or no key")
	}
	if now.Add(skew).Before(c.NotBefore) || !now.Add(-skew).Before(c.NotAfter) {
		return nil, untrusted("the certificate holds from %v to %v only", c.NotBefore, c.NotAfter)
	}
	return c, nil
}
