package token

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// Sign makes the token that carries the claims, signed by an Ed25519 key; the
// key may live elsewhere, as a crypto.Signer does. The order of c.DependsOn
// does not matter and c is not changed. Claims that no token can carry, or
// that do not fit into MaxLength, give ErrClaims.
func Sign(c *Claims, key crypto.Signer) (string, error) {
	var space [MaxDependencies]Dependency
	others, err := checkClaims(c, space[:0])
	if err != nil {
		return "", err
	}
	var payloadSpace [maxPayload + 128]byte
	payload := appendPayload(payloadSpace[:0], c, others, "")
	if len(payload) > maxPayload {
		return "", fmt.Errorf("%w: they need %d bytes of %d", ErrClaims, len(payload), maxPayload)
	}
	text := make([]byte, 0, len(prefix)+encoding.EncodedLen(len(payload))+1+signatureText)
	text = append(text, prefix...)
	text = encoding.AppendEncode(text, payload)
	signature, err := signBytes(key, text)
	if err != nil {
		return "", err
	}
	text = append(text, '.')
	text = encoding.AppendEncode(text, signature)
	return string(text), nil
}

// signBytes signs a message and refuses a signer of another algorithm.
func signBytes(key crypto.Signer, message []byte) ([]byte, error) {
	if private, ok := key.(ed25519.PrivateKey); ok && len(private) == ed25519.PrivateKeySize {
		return ed25519.Sign(private, message), nil
	}
	if key == nil {
		return nil, fmt.Errorf("sign: no key")
	}
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return nil, fmt.Errorf("sign: the key is %T, not Ed25519", key.Public())
	}
	signature, err := key.Sign(rand.Reader, message, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if len(signature) != signatureSize {
		return nil, fmt.Errorf("sign: the signature has %d bytes, not %d", len(signature), signatureSize)
	}
	return signature, nil
}

// checkClaims refuses what Sign must not sign and appends to others the
// dependencies besides the token itself, in the order of the wire.
func checkClaims(c *Claims, others []Dependency) ([]Dependency, error) {
	if err := checkSubject(c); err != nil {
		return nil, err
	}
	for _, f := range []struct{ name, id string }{{"ID", c.ID}, {"KeyID", c.KeyID}, {"Installation", c.Installation}} {
		if !validID(f.id, MaxID) {
			return nil, fmt.Errorf("%w: %s is not an id", ErrClaims, f.name)
		}
	}
	if bad := checkTimes(c.IssuedAt.UnixMilli(), c.ExpiresAt.UnixMilli()); bad != "" {
		return nil, fmt.Errorf("%w: %s", ErrClaims, bad)
	}
	return checkDependencies(c, others)
}

func checkSubject(c *Claims) error {
	switch c.SubjectType {
	case SubjectServiceAccount, SubjectUserAccount, SubjectFederatedUser:
	default:
		return fmt.Errorf("%w: SubjectType is none of those a token can have", ErrClaims)
	}
	if !validID(c.SubjectID, maxSubjectID(c.SubjectType)) {
		return fmt.Errorf("%w: SubjectID is not an id", ErrClaims)
	}
	if c.OrganizationID != "" && !validID(c.OrganizationID, MaxID) {
		return fmt.Errorf("%w: OrganizationID is not an id", ErrClaims)
	}
	if c.FolderID == "" {
		return nil
	}
	if c.SubjectType != SubjectServiceAccount {
		return fmt.Errorf("%w: FolderID is for service accounts", ErrClaims)
	}
	if !validID(c.FolderID, MaxID) {
		return fmt.Errorf("%w: FolderID is not an id", ErrClaims)
	}
	return nil
}

func checkDependencies(c *Claims, others []Dependency) ([]Dependency, error) {
	if len(c.DependsOn) > MaxDependencies {
		return nil, fmt.Errorf("%w: %d dependencies of %d", ErrClaims, len(c.DependsOn), MaxDependencies)
	}
	self := 0
	for _, d := range c.DependsOn {
		if !d.Kind.known() || c.implies(d) {
			return nil, fmt.Errorf("%w: DependsOn lists a %v", ErrClaims, d.Kind)
		}
		if !validID(d.ID, maxDependencyID(d.Kind)) {
			return nil, fmt.Errorf("%w: DependsOn has a %v that is not an id", ErrClaims, d.Kind)
		}
		if d.Kind == KindToken && d.ID == c.ID {
			self++
			continue
		}
		at := len(others)
		for at > 0 && compareDependencies(d, others[at-1]) < 0 {
			at--
		}
		if at > 0 && others[at-1] == d {
			return nil, fmt.Errorf("%w: DependsOn names a %v twice", ErrClaims, d.Kind)
		}
		others = append(others, Dependency{})
		copy(others[at+1:], others[at:])
		others[at] = d
	}
	if self != 1 {
		return nil, fmt.Errorf("%w: DependsOn names the token itself %d times, not once", ErrClaims, self)
	}
	return others, nil
}
