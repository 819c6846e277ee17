package token

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Where a server publishes, below its base address.
const (
	KeySetPath      = "/.well-known/propusk/keys"
	JWKSPath        = "/.well-known/propusk/jwks.json"
	RevocationsPath = "/.well-known/propusk/revocations" // ?after=<position>&wait=<seconds>
)

// Limits of what is published.
const (
	MaxWait         = 30 * time.Second // longest long poll a reader may ask for
	MaxKeySetBytes  = 1 << 20
	MaxPageBytes    = 16 << 20 // of revocations
	MaxPageEntries  = 200_000  // of one page, unless one change ended more
	revocationBytes = 28       // of one entry: kind 4, hash 16, seq 8
)

// ErrUntrusted means that a published document is not one that the pinned root
// stands behind, or contradicts itself.
var ErrUntrusted = errors.New("untrusted document")

func untrusted(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUntrusted}, args...)...)
}

// SignedText is a JSON text together with the Ed25519 signature over a context
// line and that text, byte for byte.
type SignedText struct {
	Body      string `json:"body"`
	Signature b64    `json:"signature"`
}

// Contexts keep a signature made for one purpose from serving another. No IAM
// token begins like one of them.
const (
	certificateContext = "propusk feed key v1\n"
	headContext        = "propusk head v1\n"
)

func signText(context string, body any, key crypto.Signer) (SignedText, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return SignedText{}, err
	}
	signature, err := signBytes(key, append([]byte(context), text...))
	if err != nil {
		return SignedText{}, err
	}
	return SignedText{Body: string(text), Signature: signature}, nil
}

// open checks the signature and reads the body.
func (t *SignedText) open(context string, key ed25519.PublicKey, body any) error {
	if len(key) != ed25519.PublicKeySize {
		return untrusted("the key to check it with has %d bytes", len(key))
	}
	if len(t.Signature) != signatureSize || !ed25519.Verify(key, []byte(context+t.Body), t.Signature) {
		return untrusted("a signature does not match")
	}
	if err := json.Unmarshal([]byte(t.Body), body); err != nil {
		return untrusted("a signed text is not what it should be: %v", err)
	}
	return nil
}

// b64 is bytes that JSON shows as base64url without padding.
type b64 []byte

// MarshalText implements encoding.TextMarshaler.
func (b b64) MarshalText() ([]byte, error) { return encoding.AppendEncode(nil, b), nil }

// UnmarshalText implements encoding.TextUnmarshaler and takes one spelling only.
func (b *b64) UnmarshalText(text []byte) error {
	if !inAlphabet(string(text)) {
		return errors.New("not base64url without padding")
	}
	decoded, err := encoding.AppendDecode(nil, text)
	*b = decoded
	return err
}
