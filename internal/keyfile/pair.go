package keyfile

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Generate makes a fresh RSA pair of the algorithm's size; the zero algorithm
// is RSA_2048 [API fact: Key.Algorithm's default]. It takes 50 ms to a few
// seconds of CPU, so never inside a transaction. Another algorithm is
// INVALID_ARGUMENT.
func Generate(algorithm iam.KeyAlgorithm) (*rsa.PrivateKey, error) {
	bits := 2048
	switch algorithm {
	case iam.RSA2048, "":
	case iam.RSA4096:
		bits = 4096
	default:
		return nil, iam.InvalidField("key_algorithm", "must be RSA_2048 or RSA_4096")
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", algorithm, err)
	}
	return key, nil
}

// PublicKeyText is the public half as the API shows it: PEM, "PUBLIC KEY".
func PublicKeyText(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// ParsePublicKey reads what PublicKeyText wrote. Anything but one RSA public
// key of 2048 to 4096 bits is INVALID_ARGUMENT.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	bad := iam.Errorf(iam.InvalidArgument, "not an RSA public key in PEM")
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		return nil, bad
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, bad
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 4096 {
		return nil, bad
	}
	return key, nil
}

// PrivateKeyText is the private half as the API hands it out, once: the warning
// line that secret scanners look for, then PEM, "PRIVATE KEY" (PKCS #8)
// [API fact: authorized keys; RFC 7468 section 2 calls the line explanatory text].
func PrivateKeyText(keyID string, key *rsa.PrivateKey) (iam.Secret, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return iam.Secret{}, fmt.Errorf("encode private key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return iam.NewSecret("PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <" + keyID + ">\n" + string(text)), nil
}

// Key is the private key that the file holds; INVALID_ARGUMENT when private_key
// is not PKCS #8 PEM of an RSA key. Text around the PEM block is skipped.
func (f *File) Key() (*rsa.PrivateKey, error) {
	// The cause may quote key material: it is dropped on purpose.
	bad := iam.InvalidField("private_key", "is not an RSA private key in PEM (PKCS #8)")
	block, _ := pem.Decode([]byte(f.PrivateKey.Reveal()))
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, bad
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 4096 {
		return nil, bad
	}
	return key, nil
}
