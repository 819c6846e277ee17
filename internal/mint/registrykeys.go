package mint

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

const (
	// registryLead is how long a key is in the key set before it signs: a
	// registry reads the file that it is given when it starts, and then no more.
	// Who has it start anew each week does not do so to the minute.
	registryLead = 8 * 24 * time.Hour
	// registryRootLife is how long what registries pin is good for.
	registryRootLife = 20 // years
	// A signing key's certificate is made anew all the time, so that a key which
	// is distrusted stops being believed by registries that hear of nothing: its
	// last certificate ends. It lives longer than a token, by as much as a
	// registry's clock may be off.
	leafLife  = 2 * time.Hour
	leafEarly = time.Hour
	leafRenew = time.Hour
)

// RegistryKeysConfig is what RegistryKeys needs; RotateEvery and Record are as
// in IDKeysConfig.
type RegistryKeysConfig struct {
	DB          *store.DB
	Box         *seal.Box
	Now         func() time.Time
	RotateEvery time.Duration
	Record      func(tx *store.Tx, keyID string) error
}

// RegistryKeys holds the keys that sign tokens for container registries. They
// are not those of ID tokens: a registry's name is a text of its operator's
// choice and might be that of somebody who believes ID tokens, and neither must
// ever take what was made for the other.
//
// Above the signing keys, which are replaced by age, stands a root that is not:
// its certificate is what a registry pins, and each token carries the short-lived
// certificate of the key that signed it. It is safe for use by many goroutines.
type RegistryKeys struct {
	signing, root *IDKeys
	now           func() time.Time

	roots sync.Map // certificates by the ids of their keys

	mu    sync.Mutex
	known *leaf // the certificate in use
}

// leaf is a signing key's certificate.
type leaf struct {
	keyID, rootID string
	der           []byte
	ends          time.Time
}

// NewRegistryKeys makes rings that have read nothing yet. The first keys are
// made when they are first needed.
func NewRegistryKeys(c RegistryKeysConfig) (*RegistryKeys, error) {
	k := &RegistryKeys{now: c.Now}
	var errs [2]error
	k.signing, errs[0] = NewIDKeys(IDKeysConfig{DB: c.DB, Box: c.Box, Now: c.Now, Purpose: store.PurposeRegistry,
		PublishLead: registryLead, RotateEvery: c.RotateEvery, Record: c.Record})
	k.root, errs[1] = NewIDKeys(IDKeysConfig{DB: c.DB, Box: c.Box, Now: c.Now, Purpose: store.PurposeRegistryRoot})
	return k, errors.Join(errs[:]...)
}

// signs is what the keys sign, in words.
func (k *IDKeys) signs() string {
	switch k.config.Purpose {
	case store.PurposeRegistry:
		return "registry tokens"
	case store.PurposeRegistryRoot:
		return "certificates of registry tokens"
	}
	return "ID tokens"
}

// Notice tells both rings what the change feed says.
func (k *RegistryKeys) Notice(entries []store.Entry) {
	k.signing.Notice(entries)
	k.root.Notice(entries)
}

// RotateDue replaces signing keys by age. The root stays as it is.
func (k *RegistryKeys) RotateDue(ctx context.Context) error { return k.signing.RotateDue(ctx) }

// Rotate publishes a new signing key at once, which signs eight days later.
func (k *RegistryKeys) Rotate(ctx context.Context) error { return k.signing.Rotate(ctx) }

// Distrust ends a signing key or the root, as IDKeys.Distrust does. Registries
// believe a signing key for up to two hours more, and the root until they read
// the certificates anew.
func (k *RegistryKeys) Distrust(ctx context.Context, keyID string, record func(tx *store.Tx) error) error {
	err := k.signing.Distrust(ctx, keyID, record)
	if errors.Is(err, iam.NotFound) {
		err = k.root.Distrust(ctx, keyID, record)
	}
	return err
}

// List is the published signing keys, and the root. It makes none.
func (k *RegistryKeys) List(ctx context.Context) (signing, root []IDKeyInfo, err error) {
	if signing, err = k.signing.List(ctx); err == nil {
		root, err = k.root.List(ctx)
	}
	return signing, root, err
}

// JWKS is the signing keys as registries read them that know key sets (RFC 7517
// section 5).
func (k *RegistryKeys) JWKS(ctx context.Context) ([]byte, error) { return k.signing.JWKS(ctx) }

// Certificates is the roots' certificates in PEM, for registries that know
// certificates. It is the same text for as long as the root is the same.
func (k *RegistryKeys) Certificates(ctx context.Context) ([]byte, error) {
	keys, err := k.root.ring(ctx, true)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, key := range k.root.published(keys) {
		root, err := k.rootOf(key)
		if err != nil {
			return nil, err
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})...)
	}
	return out, nil
}

// rootCertificate is a function of the key and its row alone (RSA signatures of
// PKCS #1 v1.5 are), so that it need not be kept and is the same on all nodes.
func rootCertificate(key *idKey) (*x509.Certificate, error) {
	serial := sha256.Sum256([]byte(key.ID))
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[1:17]),
		Subject:      pkix.Name{CommonName: "Registry tokens " + key.ID},
		NotBefore:    key.CreatedAt.UTC().Add(-leafEarly).Truncate(time.Second),
		NotAfter:     key.CreatedAt.UTC().AddDate(registryRootLife, 0, 0).Truncate(time.Second),
		IsCA:         true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.private.PublicKey, key.private)
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "The certificate of registry tokens could not be made")
	}
	return x509.ParseCertificate(der)
}

// rootOf is a root's certificate, made once: everybody may ask for it.
func (k *RegistryKeys) rootOf(key *idKey) (*x509.Certificate, error) {
	if made, ok := k.roots.Load(key.ID); ok {
		return made.(*x509.Certificate), nil
	}
	made, err := rootCertificate(key)
	if err == nil {
		k.roots.Store(key.ID, made)
	}
	return made, err
}

// certificate is the current one of a signing key.
func (k *RegistryKeys) certificate(ctx context.Context, keyID string, public *rsa.PublicKey) ([]byte, error) {
	now := k.now()
	root, err := k.root.signing(ctx, now)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.known; c != nil && c.keyID == keyID && c.rootID == root.ID && c.ends.Sub(now) > leafRenew && c.ends.Sub(now) <= leafLife { // or the clock was ahead then
		return c.der, nil
	}
	parent, err := k.rootOf(root)
	if err != nil {
		return nil, err
	}
	var serial [16]byte
	_, _ = rand.Read(serial[:]) // crypto/rand.Read never fails: it ends the program instead
	serial[0] &= 0x7f
	c := &leaf{keyID: keyID, rootID: root.ID, ends: now.UTC().Add(leafLife).Truncate(time.Second)}
	c.der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: keyID},
		NotBefore:    now.UTC().Add(-leafEarly).Truncate(time.Second), NotAfter: c.ends,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, SignatureAlgorithm: x509.SHA256WithRSA,
	}, parent, public, root.private)
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "The certificate of a registry token could not be made")
	}
	k.known = c
	return c.der, nil
}
