package temporary

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// KeySize is how many random bytes a key is made of.
const KeySize = 32

// Key makes session tokens, checks them, and derives the secret that belongs
// to each. It is safe for use by many goroutines.
type Key struct {
	id     string
	tag    *authenticator // makes the tags
	secret *authenticator // derives the secrets
}

// What the two keys are for; neither tells anything of the other.
const (
	tagContext    = "propusk session tag v1"
	secretContext = "propusk session secret v1"
)

// NewKey makes a key of KeySize secret bytes, which the caller may clear.
func NewKey(id string, secret []byte) (*Key, error) {
	if !validID(id, maxID) {
		return nil, fmt.Errorf("temporary: %q is not an id", id)
	}
	if len(secret) != KeySize {
		return nil, fmt.Errorf("temporary: key %s has %d bytes, not %d", id, len(secret), KeySize)
	}
	k := &Key{id: id}
	for _, part := range []struct {
		into    **authenticator
		context string
	}{{&k.tag, tagContext}, {&k.secret, secretContext}} {
		derived, err := hkdf.Expand(sha512.New, secret, part.context, sha512.Size)
		if err != nil {
			return nil, fmt.Errorf("temporary: key %s: %w", id, err)
		}
		*part.into = newAuthenticator(derived)
	}
	return k, nil
}

// ID names the key in tokens.
func (k *Key) ID() string { return k.id }

const (
	prefix         = "s1."
	tagText        = 86  // characters of a tag
	minPayload     = 146 // bytes
	minPayloadText = 195 // characters of these
	// maxPayload holds the longest policy, the longest name and every
	// dependency that there can be: whoever looks for leaked tokens looks for
	// texts that are no longer.
	maxPayload = 5919
)

// encoding refuses spare bits; the alphabet is checked before it is used,
// because the decoder skips line ends even when strict.
var encoding = base64.RawURLEncoding.Strict()

// Make makes the token of a session, whose KeyID it does not read, and its
// secret. The order of s.DependsOn does not matter and s is not changed. A
// session that no token can carry gives ErrSession.
func (k *Key) Make(s *Session) (sessionToken, secret iam.Secret, err error) {
	others, err := check(s)
	if err != nil {
		return sessionToken, secret, err
	}
	payload := appendPayload(nil, s, k.id, others, "")
	if len(payload) > maxPayload {
		return sessionToken, secret, fmt.Errorf("%w: it needs %d bytes of %d", ErrSession, len(payload), maxPayload)
	}
	signed := encoding.AppendEncode([]byte(prefix), payload)
	tag := k.tag.sum(string(signed))
	text := encoding.AppendEncode(append(signed, '.'), tag[:])
	return iam.NewSecret(string(text)), k.secretOf(s, string(signed)), nil
}

// Parse reads a token that this key made, and derives its secret. Nothing of
// the token is read before its tag has been checked. A token has one spelling;
// any other, and a token of another key, gives ErrMalformed.
func (k *Key) Parse(text string) (*Session, iam.Secret, error) {
	signed, tag, err := split(text)
	if err != nil {
		return nil, iam.Secret{}, err
	}
	if want := k.tag.sum(signed); !hmac.Equal(tag[:], want[:]) {
		return nil, iam.Secret{}, malformed("its tag does not match")
	}
	payload, err := encoding.DecodeString(signed[len(prefix):])
	if err != nil {
		return nil, iam.Secret{}, malformed("its payload is not base64url")
	}
	var p parsed
	if reason := p.read(string(payload)); reason != "" {
		return nil, iam.Secret{}, malformed(reason)
	}
	if p.session.KeyID != k.id {
		return nil, iam.Secret{}, malformed("it names another key")
	}
	return &p.session, k.secretOf(&p.session, signed), nil
}

// KeyOf is the id of the key that a token says has made it, for finding the
// key: good for nothing else before Parse.
func KeyOf(text string) (string, error) {
	signed, _, err := split(text)
	if err != nil {
		return "", err
	}
	// 72 characters are 54 bytes: the version, the field, its length and the id.
	text = signed[len(prefix):]
	var space [72 * 3 / 4]byte
	n, err := base64.RawURLEncoding.Decode(space[:], []byte(text[:min(len(text), 72)]))
	if err != nil || n < 3 || space[0] != version || space[1] != fieldKeyID || int(space[2]) > n-3 {
		return "", malformed("it names no key")
	}
	var id string
	if reason := readID(&id, string(space[3:3+space[2]]), maxID); reason != "" {
		return "", malformed(reason)
	}
	return id, nil
}

// split takes a text apart: what the tag covers, and the tag.
func split(text string) (signed string, tag [sha512.Size]byte, err error) {
	if len(text) < MinLength || len(text) > MaxLength {
		return "", tag, malformed("its length is wrong")
	}
	dot := len(text) - tagText - 1
	if !strings.HasPrefix(text, prefix) || text[dot] != '.' {
		return "", tag, malformed("it is not s1, payload and tag")
	}
	if !inAlphabet(text[len(prefix):dot]) || !inAlphabet(text[dot+1:]) {
		return "", tag, malformed("it is not base64url")
	}
	if n, err := encoding.Decode(tag[:], []byte(text[dot+1:])); err != nil || n != len(tag) {
		return "", tag, malformed("its tag is not base64url")
	}
	return text[:dot], tag, nil
}

// malformed is an ErrMalformed with the reason; it never quotes the token.
func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

// Secrets begin with "YC", which base64url reads as these twelve bits.
const (
	ycByte0 = 24 << 2
	ycByte1 = 2 << 4

	staticSecret  = 30 // bytes of a secret laid out as that of a static key
	staticChecked = 26 // of them before the checksum

	ephemeralSecret = 43 // characters
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// secretOf derives a session's secret: 40 characters laid out as the secret of
// a static access key, its CRC-32C inside, or 43 characters for an ephemeral
// key [API fact: formats of secrets]. 196 and 246 bits come from the key.
func (k *Key) secretOf(s *Session, signed string) iam.Secret {
	sum := k.secret.sum(signed)
	if s.Ephemeral {
		return iam.NewSecret(("YC" + base64.RawURLEncoding.EncodeToString(sum[:]))[:ephemeralSecret])
	}
	raw := sum[:staticSecret]
	raw[0], raw[1] = ycByte0, ycByte1|raw[1]&0x0f
	binary.BigEndian.PutUint32(raw[staticChecked:], crc32.Checksum(raw[:staticChecked], castagnoli))
	return iam.NewSecret(base64.RawURLEncoding.EncodeToString(raw))
}
