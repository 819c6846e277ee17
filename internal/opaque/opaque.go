// Package opaque is the form of the secrets that mean nothing by themselves:
// session cookies and refresh tokens. What they stand for is a row, found by a
// hash; their form lets a mistyped or shortened one be refused without a look
// into the store. Whose they are and how long they are good is the rooms' matter.
package opaque

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Kind is the prefix of one kind of secrets, with its dot. A secret is the prefix,
// 200 characters of base64url, a dot, and 86 more, the SHA-512 of what stands
// before that dot [API fact: c1. and rt1., at least 200 characters, a dot, 86;
// what is in them is ours].
type Kind string

// The kinds.
const (
	Cookie       Kind = "c1."
	RefreshToken Kind = "rt1."
)

const (
	// Random is how many bytes one is made of.
	Random  = 150
	payload = 200 // characters of base64url that Random bytes are
	tail    = 1 + 86
)

var text = base64.RawURLEncoding.Strict()

// New draws a secret.
func (k Kind) New() iam.Secret {
	var raw [Random]byte
	_, _ = rand.Read(raw[:])
	return k.Of(raw)
}

// Of is the secret that is made of these bytes.
func (k Kind) Of(raw [Random]byte) iam.Secret {
	head := string(k) + text.EncodeToString(raw[:])
	sum := sha512.Sum512([]byte(head))
	return iam.NewSecret(head + "." + text.EncodeToString(sum[:]))
}

// Fits tells whether a text has the form of this kind's secrets.
func (k Kind) Fits(secret string) bool {
	length := len(k) + payload
	if len(secret) != length+tail || !strings.HasPrefix(secret, string(k)) || strings.ContainsAny(secret, "\r\n") { // which the decoder skips
		return false
	}
	head, rest := secret[:length], secret[length:]
	var given [sha512.Size]byte
	if n, err := text.Decode(given[:], []byte(rest[1:])); err != nil || n != len(given) || rest[0] != '.' {
		return false
	}
	sum := sha512.Sum512([]byte(head))
	return subtle.ConstantTimeCompare(sum[:], given[:]) == 1
}

// Lookup is by what a secret's row is found: the hexadecimal SHA-256 of the whole
// text.
func Lookup(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
