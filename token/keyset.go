package token

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Publication is what a node has to say at one moment; its methods make the
// bytes that verifiers fetch. It asks no clock and keeps nothing.
type Publication struct {
	Installation string
	Position     uint64      // the change feed's, as applied by this node
	ConfirmedAt  time.Time   // when the node last made sure that Position was the feed's end
	Keys         []PublicKey // every key that signs, will sign, or signed a token that may still live
}

// keySetText is the part of the key set that the head's hash covers.
type keySetText struct {
	Installation string    `json:"installation"`
	Keys         []keyText `json:"keys"` // ascending by id
}

type keyText struct {
	ID         string `json:"id"`
	Algorithm  string `json:"algorithm"` // always "Ed25519"
	Key        b64    `json:"key"`
	SignsFrom  int64  `json:"signsFrom"`            // Unix milliseconds
	SignsUntil *int64 `json:"signsUntil,omitempty"` // absent: no end is known
}

type keySetDocument struct {
	Certificate SignedText `json:"certificate"`
	Head        SignedText `json:"head"`
	Keys        string     `json:"keys"`
}

const keyAlgorithm = "Ed25519"

// KeySet is a published key set whose signatures have been checked.
type KeySet struct {
	Head Head
	Keys []PublicKey
}

// KeySetDocument makes the body served at KeySetPath.
func (p *Publication) KeySetDocument(f FeedSigner) ([]byte, error) {
	text, head, err := p.head()
	if err != nil {
		return nil, err
	}
	signed, err := head.sign(f.Key)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return json.Marshal(keySetDocument{f.Certificate, signed, text})
}

// head makes the text of the key set, and the head that names it.
func (p *Publication) head() (string, *Head, error) {
	if !validID(p.Installation, MaxID) {
		return "", nil, fmt.Errorf("publication: %q is not an installation id", p.Installation)
	}
	if _, err := indexKeys(p.Keys); err != nil {
		return "", nil, err
	}
	list := keySetText{p.Installation, make([]keyText, 0, len(p.Keys))}
	for _, k := range p.Keys {
		t := keyText{ID: k.ID, Algorithm: keyAlgorithm, Key: b64(k.Key), SignsFrom: k.SignsFrom.UnixMilli()}
		if !k.SignsUntil.IsZero() {
			until := k.SignsUntil.UnixMilli()
			t.SignsUntil = &until
		}
		list.Keys = append(list.Keys, t)
	}
	slices.SortFunc(list.Keys, func(a, b keyText) int { return cmp.Compare(a.ID, b.ID) })
	text, err := json.Marshal(list)
	if err != nil {
		return "", nil, fmt.Errorf("key set: %w", err)
	}
	return string(text), &Head{
		Installation: p.Installation, Position: p.Position,
		KeySetHash: sha256.Sum256(text), ConfirmedAt: p.ConfirmedAt,
	}, nil
}

// OpenKeySet reads and checks the body served at KeySetPath. Errors are
// ErrUntrusted.
func OpenKeySet(document []byte, t Trust) (*KeySet, error) {
	var d keySetDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, untrusted("the key set is not JSON as it should be: %v", err)
	}
	head, err := t.openHead(d.Certificate, d.Head)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if sha256.Sum256([]byte(d.Keys)) != head.KeySetHash {
		return nil, untrusted("the key set is not the one that its head names")
	}
	var text keySetText
	if err := json.Unmarshal([]byte(d.Keys), &text); err != nil {
		return nil, untrusted("the key set's text is not what it should be: %v", err)
	}
	if text.Installation != head.Installation {
		return nil, untrusted("the key set is of installation %q", text.Installation)
	}
	keys, err := text.publicKeys()
	if err != nil {
		return nil, untrusted("%v", err)
	}
	return &KeySet{*head, keys}, nil
}

// publicKeys leaves out keys of algorithms that this version does not know:
// they verify none of its tokens.
func (s *keySetText) publicKeys() ([]PublicKey, error) {
	var keys []PublicKey
	for _, t := range s.Keys {
		if t.Algorithm != keyAlgorithm {
			continue
		}
		k := PublicKey{ID: t.ID, Key: ed25519.PublicKey(t.Key), SignsFrom: time.UnixMilli(t.SignsFrom).UTC()}
		if t.SignsUntil != nil {
			k.SignsUntil = time.UnixMilli(*t.SignsUntil).UTC()
		}
		keys = append(keys, k)
	}
	_, err := indexKeys(keys)
	return keys, err
}

// JWKS renders the keys as a JSON Web Key Set (RFC 7517 with the OKP keys of
// RFC 8037), for tools that read nothing else. It is unsigned and tells
// neither windows nor revocations: a verifier follows the signed key set.
func JWKS(keys []PublicKey) ([]byte, error) {
	type jwk struct {
		Type      string `json:"kty"`
		Curve     string `json:"crv"`
		ID        string `json:"kid"`
		Use       string `json:"use"`
		Algorithm string `json:"alg"`
		X         b64    `json:"x"`
	}
	if _, err := indexKeys(keys); err != nil {
		return nil, err
	}
	set := make([]jwk, 0, len(keys))
	for _, k := range keys {
		set = append(set, jwk{"OKP", "Ed25519", k.ID, "sig", "EdDSA", b64(k.Key)})
	}
	slices.SortFunc(set, func(a, b jwk) int { return cmp.Compare(a.ID, b.ID) })
	return json.Marshal(map[string]any{"keys": set})
}
