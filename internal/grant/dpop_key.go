package grant

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
)

const (
	leastRSA = 2048 // bits
	mostRSA  = 4096
)

func sha256Of(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// privateMembers are those of a JWK that only its owner may know (RFC 7518
// section 6), and k of a key that both sides would know.
var privateMembers = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// keyOf reads the public key of a proof's header (RFC 7517), which has to be of
// the kind that the algorithm asks for.
func keyOf(algorithm string, jwk map[string]json.RawMessage) (*publicKey, error) {
	for _, name := range privateMembers {
		if _, has := jwk[name]; has {
			return nil, badProof("'jwk' holds a private key: make another one, this one is known to others now")
		}
	}
	text := func(name string) string {
		s, _ := stringOf(jwk[name])
		return s
	}
	raw := func(name string) []byte {
		b, err := decodePart(text(name))
		if err != nil {
			return nil
		}
		return b
	}
	kind, curve := text("kty"), text("crv")
	switch algorithm {
	case "ES256":
		x, y := raw("x"), raw("y")
		if kind != "EC" || curve != "P-256" || len(x) != 32 || len(y) != 32 {
			return nil, badProof("'jwk' is no key on P-256, which ES256 takes")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, badProof("'jwk' is no point on P-256")
		}
		return &publicKey{algorithm, key, `{"crv":"P-256","kty":"EC","x":"` + text("x") + `","y":"` + text("y") + `"}`}, nil
	case "EdDSA":
		x := raw("x")
		if kind != "OKP" || curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, badProof("'jwk' is no key on Ed25519, which EdDSA takes")
		}
		return &publicKey{algorithm, ed25519.PublicKey(x), `{"crv":"Ed25519","kty":"OKP","x":"` + text("x") + `"}`}, nil
	}
	key, err := rsaKeyOf(kind, raw("n"), raw("e"))
	if err != nil {
		return nil, err
	}
	return &publicKey{algorithm, key, `{"e":"` + text("e") + `","kty":"RSA","n":"` + text("n") + `"}`}, nil
}

// rsaKeyOf bounds what a signature costs to check by the sizes of both numbers.
// They are without leading zeros (RFC 7518 section 6.3.1), or one key would have
// many thumbprints.
func rsaKeyOf(kind string, n, e []byte) (*rsa.PublicKey, error) {
	modulus := new(big.Int).SetBytes(n)
	bits := modulus.BitLen()
	if kind != "RSA" || len(n) == 0 || n[0] == 0 || bits < leastRSA || bits > mostRSA || modulus.Bit(0) == 0 {
		return nil, badProof("'jwk' is no RSA key of %d to %d bits", leastRSA, mostRSA)
	}
	if len(e) == 0 || len(e) > 4 || e[0] == 0 {
		return nil, badProof("the exponent in 'jwk' is not served")
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent < 3 || exponent > 1<<31-1 || exponent&1 == 0 {
		return nil, badProof("the exponent in 'jwk' is not served")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent)}, nil
}

// verify checks a signature as JWS has it (RFC 7518 section 3, RFC 8037).
func (k *publicKey) verify(signed string, signature []byte) bool {
	digest := sha256Of(signed)
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(key, []byte(signed), signature)
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return false
		}
		return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case *rsa.PublicKey:
		if k.algorithm == "PS256" {
			return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}

// objectOf reads a JSON object that gives each name once, at its top and in jwk:
// of two values another reader might believe the other.
func objectOf(text []byte) (map[string]json.RawMessage, bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		key, ok := name.(string)
		if err != nil || !ok {
			return nil, false
		}
		if _, twice := out[key]; twice {
			return nil, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, false
		}
		out[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	return out, !dec.More() && dec.InputOffset() == int64(len(bytes.TrimRight(text, " \t\r\n")))
}

// stringOf is a JSON string; false when it is anything else.
func stringOf(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
